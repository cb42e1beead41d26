/** A TCP server for opaque load: greets first, reads a count of bytes as a line, sends that many, closes. */
const port = Number(process.argv[2]);
const block = Buffer.alloc(256 * 1024, 0x61);

Bun.listen<{ left: number; line: string }>({
  hostname: "0.0.0.0",
  port,
  socket: {
    open(socket) {
      socket.data = { left: 0, line: "" };
      socket.write("ready\n");
    },
    data(socket, chunk) {
      if (socket.data.left > 0) return;
      socket.data.line += chunk.toString("latin1");
      if (!socket.data.line.includes("\n")) return;
      socket.data.left = Number.parseInt(socket.data.line, 10);
      pump(socket);
    },
    drain: pump,
  },
});

function pump(socket: Bun.Socket<{ left: number; line: string }>): void {
  if (socket.data.line === "") return;
  while (socket.data.left > 0) {
    const sent = socket.write(block, 0, Math.min(block.length, socket.data.left));
    if (sent <= 0) return;
    socket.data.left -= sent;
  }
  socket.end();
}

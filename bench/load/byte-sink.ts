/** Asks the byte source for `bytes` over `connections` connections; prints what came. */
const [host, port, bytes, connections] = [
  process.argv[2],
  Number(process.argv[3]),
  Number(process.argv[4]),
  Number(process.argv[5]),
];
let total = 0;
const startedAtMs = performance.now();

await Promise.all(Array.from({ length: connections }, () => download(Math.floor(bytes / connections))));
console.log(JSON.stringify({ bytes: total, ms: performance.now() - startedAtMs }));

function download(count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0;
    Bun.connect({
      hostname: host,
      port,
      socket: {
        open: (socket) => void socket.write(`${count}\n`),
        data(_socket, chunk) {
          seen += chunk.length;
        },
        close() {
          const greeting = "ready\n".length;
          total += seen - greeting;
          if (seen - greeting === count) resolve();
          else reject(new Error(`Got ${seen - greeting} bytes of ${count}`));
        },
        error: (_socket, error) => reject(error),
      },
    }).catch(reject);
  });
}

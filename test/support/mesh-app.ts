/**
 * The application of a test pod, on stock parts only: HTTP/1.1 echo (8080), gRPC (8081), an opaque echo (9000), and a
 * server that speaks first (9001). Run inside a pod's namespace.
 */
import { createServer as createHttp } from "node:http";
import { createServer as createTcp } from "node:net";
import * as grpc from "@grpc/grpc-js";

const ip = process.argv[2];

const http = createHttp((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const status = Number(new URL(request.url ?? "/", "http://x").searchParams.get("status") ?? 200);
    response.writeHead(status, { "content-type": "application/json", "x-app": "yes" });
    response.end(
      JSON.stringify({ method: request.method, url: request.url, headers: request.headers, bytes: body.length }),
    );
  });
});
http.on("upgrade", (request, socket) => {
  const id = request.headers["l5d-client-id"] ?? "";
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\nx-client: ${id}\r\n\r\n`);
  socket.on("data", (chunk: Buffer) => socket.write(chunk));
  socket.on("end", () => socket.end());
  socket.on("error", () => {});
});
http.listen(8080, ip);

const definition = {
  Say: {
    path: "/test.Echo/Say",
    requestStream: false,
    responseStream: true,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (value: Buffer) => value,
    responseSerialize: (value: Buffer) => value,
    responseDeserialize: (value: Buffer) => value,
  },
} as const;
const server = new grpc.Server();
server.addService(definition, {
  Say: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
    const clientId = call.metadata.get("l5d-client-id")[0]?.toString() ?? "";
    for (let i = 0; i < 3; i++) call.write(Buffer.from(`${call.request.toString()} ${i} ${clientId}`));
    const trailers = new grpc.Metadata();
    trailers.set("x-trailer", "kept");
    call.end(trailers);
  },
});
await new Promise((resolve) => server.bindAsync(`${ip}:8081`, grpc.ServerCredentials.createInsecure(), resolve));

createTcp({ allowHalfOpen: true }, (socket) => {
  socket.on("data", (chunk) => socket.write(chunk));
  socket.on("end", () => socket.end("bye"));
  socket.on("error", () => {});
}).listen(9000, ip);

createTcp((socket) => {
  socket.write("220 ready\n");
  socket.on("data", (chunk) => socket.end(`got ${chunk.toString().trim()}\n`));
  socket.on("error", () => {});
}).listen(9001, ip, () => console.log("serving"));

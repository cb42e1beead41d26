/**
 * A server that a test pod's clients wait for, on stock parts only. `held-app.ts silent <ip>`: takes TCP connections (8080
 * and 9000) and says nothing. `held-app.ts http2 <ip>`: HTTP/2 without TLS (8080), one stream a connection; answers when
 * SIGUSR1 comes, from then on at once. `held-app.ts refuses <ip>` and `leaves <ip>`: HTTP/2 that processes nothing, and says
 * so by REFUSED_STREAM or by GOAWAY. Prints `serving`, then `taken` for each connection or request.
 */
import { createServer as createHttp2, type Http2ServerResponse } from "node:http2";
import { createServer as createTcp } from "node:net";

const [kind, ip] = process.argv.slice(2);
const serving = () => console.log("serving");

if (kind === "silent") {
  const silent = () => createTcp((socket) => void socket.on("error", () => {}).on("data", () => console.log("taken")));
  silent().listen(9000, ip, () => silent().listen(8080, ip, serving));
} else if (kind !== "http2") {
  const server = createTcp((socket) => {
    let left = Buffer.alloc(0);
    let skip = 24; // the preface
    socket.on("error", () => {});
    socket.write(Buffer.from("000000040000000000", "hex"));
    socket.on("data", (chunk) => {
      left = Buffer.concat([left, chunk as Uint8Array]);
      while (left.length >= skip + 9 && left.length >= skip + 9 + left.readUIntBE(skip, 3)) {
        const frame = left.subarray(skip);
        const end = 9 + frame.readUIntBE(0, 3);
        if (frame[3] === 4 && frame[4] === 0) socket.write(Buffer.from("000000040100000000", "hex"));
        if (frame[3] === 1) {
          console.log("taken");
          const id = frame.toString("hex", 5, 9);
          if (kind === "refuses") socket.write(Buffer.from(`0000040300${id}00000007`, "hex"));
          else socket.end(Buffer.from("0000080700000000000000000000000000", "hex"));
        }
        left = left.subarray(skip + end);
        skip = 0;
      }
    });
  });
  server.listen(8080, ip, serving);
} else {
  let isReleased = false;
  const held: Http2ServerResponse[] = [];
  const server = createHttp2({ settings: { maxConcurrentStreams: 1 } }, (_request, response) => {
    console.log("taken");
    if (isReleased) response.end("released");
    else held.push(response);
  });
  process.on("SIGUSR1", () => {
    isReleased = true;
    for (const response of held) response.end("released");
  });
  server.listen(8080, ip, serving);
}

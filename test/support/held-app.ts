/**
 * A server that a test pod's clients wait for, on stock parts only. `held-app.ts silent <ip>`: takes TCP connections (8080
 * and 9000) and says nothing. `held-app.ts http2 <ip>`: HTTP/2 without TLS (8080), one stream a connection; answers when
 * SIGUSR1 comes, from then on at once. Prints `serving`, then `taken` for each connection or request.
 */
import { createServer as createHttp2, type Http2ServerResponse } from "node:http2";
import { createServer as createTcp } from "node:net";

const [kind, ip] = process.argv.slice(2);
const serving = () => console.log("serving");

if (kind === "silent") {
  const silent = () => createTcp((socket) => void socket.on("error", () => {}).on("data", () => console.log("taken")));
  silent().listen(9000, ip, () => silent().listen(8080, ip, serving));
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

/**
 * Connections with mutual TLS 1.3, each with one HTTP/1.1 request once it is up, so that the server too has finished its
 * part of the handshake. The key exchange is X25519 for every subject. Prints one JSON object.
 *   bun mtls-connections.ts churn HOST PORT NAME CERT KEY CA SECONDS CONCURRENCY   a new connection for each request
 *   bun mtls-connections.ts hold HOST PORT NAME CERT KEY CA COUNT CONCURRENCY      keeps them, prints, ends with its input
 */
const [mode, host, port, serverName, cert, key, ca, amount, concurrency] = process.argv.slice(2) as string[];
const tls = {
  serverName,
  cert: await Bun.file(cert).text(),
  key: await Bun.file(key).text(),
  ca: await Bun.file(ca).text(),
  minVersion: 0x0304,
  ecdhCurve: "X25519",
  rejectUnauthorized: true,
};
const REQUEST = `GET /bench HTTP/1.1\r\nhost: ${host}:${port}\r\n\r\n`;
let answered = 0;
let failed = 0;
let lastFailure = "";

function connection(isKept: boolean): Promise<void> {
  return new Promise((resolve) => {
    let isDone = false;
    const finish = (failure?: string): void => {
      if (isDone) return;
      isDone = true;
      if (failure === undefined) answered++;
      else {
        failed++;
        lastFailure = failure;
      }
      resolve();
    };
    Bun.connect({
      hostname: host,
      port: Number(port),
      tls: tls as Bun.TLSOptions,
      socket: {
        handshake(socket, _ok, error) {
          if (socket.authorized) socket.write(REQUEST);
          else finish(`not authorized: ${error?.message}`);
        },
        data(socket, chunk) {
          if (isDone) return;
          finish(chunk.subarray(0, 12).includes(" 200") ? undefined : chunk.subarray(0, 120).toString("latin1"));
          if (!isKept) socket.end();
        },
        close: () => finish("closed before the answer"),
        error: (_socket, error) => finish(error.message),
      },
    }).catch((error: Error) => finish(error.message));
  });
}

async function worker(isMore: () => boolean, isKept: boolean): Promise<void> {
  while (isMore()) await connection(isKept);
}

const startedAtMs = performance.now();
const endMs = startedAtMs + Number(amount) * 1_000;
let left = Number(amount);
const isMore = mode === "hold" ? () => left-- > 0 : () => performance.now() < endMs;
await Promise.all(Array.from({ length: Number(concurrency) }, () => worker(isMore, mode === "hold")));
if (failed > 0) process.stderr.write(`${failed} connections failed, the last: ${lastFailure}\n`);
console.log(JSON.stringify({ answered, failed, ms: performance.now() - startedAtMs }));
if (mode === "hold") for await (const _ of Bun.stdin.stream()) break;
process.exit(failed > answered / 100 ? 1 : 0);

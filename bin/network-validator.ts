import { systemClock } from "#lib/clock";
import { createLog, LOG_LEVELS, type LogLevel } from "#lib/log";
import { secretBytes } from "#lib/random";
import { dialTcp } from "#net/dial";
import { listenTcp } from "#net/tcp";
import { parseValidatorFlags, VALIDATION_FAILED, type ValidatorSockets, validateNetwork } from "#network";

/** `linkerd network-validator [flags]`: checks that this pod's connections are redirected to the proxy. */
export async function main(args: readonly string[]): Promise<number> {
  const parsed = parseValidatorFlags(args);
  if ("errors" in parsed) {
    for (const error of parsed.errors) process.stderr.write(`${error}\n`);
    return VALIDATION_FAILED;
  }
  const { options } = parsed;
  const log = createLog({
    level: LOG_LEVELS.includes(options.logLevel as LogLevel) ? (options.logLevel as LogLevel) : "info",
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
    wallMs: () => systemClock.wallMs(),
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(VALIDATION_FAILED));
  const token = Buffer.from(secretBytes(32)).toString("hex").slice(0, 63);
  return await validateNetwork(options, sockets, token, systemClock, log);
}

const sockets: ValidatorSockets = {
  serve(address, greeting) {
    const bytes = Buffer.from(greeting);
    const listener = listenTcp({
      hostname: address.ip,
      port: address.port,
      accept(transport) {
        transport.handler = { data() {}, drain() {}, end: () => transport.close(), closed() {} };
        transport.write(bytes, 0, bytes.length); // less than any socket buffer: taken whole
        transport.shutdown();
      },
    });
    return { stop: () => listener.stop() };
  },

  readFrom(address, byteCount, timeoutMs) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    dialTcp({ address, timeoutMs }, systemClock, {
      failed: reject,
      connected(transport) {
        let received = "";
        const finish = () => {
          transport.close();
          resolve(received);
        };
        transport.handler = {
          data(chunk) {
            received += Buffer.from(chunk).toString("latin1");
            if (received.length >= byteCount) finish();
          },
          drain() {},
          end: finish,
          closed: finish,
        };
      },
    });
    return promise;
  },
};

import { parseArgs } from "node:util";
import { parseDuration } from "#lib/duration";

const POLL_MS = 50;

/**
 * `linkerd await --port 4191 --timeout 2m`: returns when the proxy beside it is ready, so that a container started after
 * it (or a postStart hook that runs it) finds a working network. Exit code 0 ready, 1 not in time, 64 bad flags.
 */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { port: { type: "string", default: "4191" }, timeout: { type: "string", default: "2m" } },
  });
  const port = Number(values.port);
  const { value: timeoutMs, error } = parseDuration(values.timeout);
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || timeoutMs === undefined) {
    process.stderr.write(`${error ?? `Cannot await port "${values.port}": wanted 1 to 65535`}\n`);
    return 64;
  }
  const deadlineMs = performance.now() + timeoutMs;
  while (performance.now() < deadlineMs) {
    if (await isReady(port)) return 0;
    await Bun.sleep(POLL_MS);
  }
  process.stderr.write(
    `The proxy was not ready within ${values.timeout}: see the log of the container linkerd-proxy\n`,
  );
  return 1;
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false; // not listening yet
  }
}

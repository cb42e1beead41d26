import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";

export interface ValidatorOptions {
  /** An address that nobody serves: reached only if the redirect brings us back. */
  readonly connectAddress: { readonly ip: string; readonly port: number };
  /** Where redirected connections arrive: the proxy's outbound port. */
  readonly listenAddress: { readonly ip: string; readonly port: number };
  readonly timeoutMs: number;
  readonly logFormat: "plain" | "json";
  readonly logLevel: string;
}

/** The sockets it needs. Given by the program, since this room opens none. */
export interface ValidatorSockets {
  /** Sends `greeting` to whoever connects, then closes. Throws when it cannot listen. */
  serve(address: ValidatorOptions["listenAddress"], greeting: string): { stop(): void };
  /** Connects and gives everything that is sent until the peer closes or `byteCount` bytes are there. */
  readFrom(address: ValidatorOptions["connectAddress"], byteCount: number, timeoutMs: number): Promise<string>;
}

/** The exit code of a check that failed; the repair controller knows it. */
export const VALIDATION_FAILED = 95;

/**
 * Checks that outbound connections are redirected to us: a connection to an address that is not ours must reach our own
 * listener, which a secret token proves. Gives 0, or `VALIDATION_FAILED` with the reason in the log.
 */
export async function validateNetwork(
  options: ValidatorOptions,
  sockets: ValidatorSockets,
  token: string,
  clock: Clock,
  log: Log,
): Promise<number> {
  const greeting = `${token}\n`;
  let server: { stop(): void } | undefined;
  const deadline = Promise.withResolvers<never>();
  const timer = clock.schedule(options.timeoutMs, () => deadline.reject(new Error("timed out")));
  try {
    server = sockets.serve(options.listenAddress, greeting);
    const { connectAddress, timeoutMs } = options;
    const reading = sockets.readFrom(connectAddress, greeting.length, timeoutMs);
    const received = await Promise.race([reading, deadline.promise]);
    if (received === greeting) {
      log.info("Connections are redirected to the proxy's port");
      return 0;
    }
    log.error("Another server answered: connections are not redirected", { receivedLength: received.length });
  } catch (thrown: unknown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    log.error(
      "Cannot verify that connections are redirected. Is the CNI plugin installed and did it run for this pod?",
      {
        error: why,
        connectAddress: `${options.connectAddress.ip}:${options.connectAddress.port}`,
      },
    );
  } finally {
    timer.cancel();
    server?.stop();
  }
  return VALIDATION_FAILED;
}

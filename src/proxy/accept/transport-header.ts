import type { Clock } from "#lib/clock";
import type { TcpTransport } from "#net/tcp";
import { MAX_TRANSPORT_HEADER_BYTES, readTransportHeader as read, type TransportHeader } from "#transport-header";

export interface HeaderOutcome {
  /** `rest` is what came behind the header. The transport is paused. */
  header(header: TransportHeader, rest: Uint8Array): void;
  failed(reason: string): void;
}

/** Reads the header that a peer proxy sends before anything else. Exactly one of the outcomes is called. */
export function readTransportHeader(
  transport: TcpTransport,
  clock: Clock,
  timeoutMs: number,
  outcome: HeaderOutcome,
): void {
  let bytes: Uint8Array = new Uint8Array(0); // at most MAX_TRANSPORT_HEADER_BYTES and one read
  const fail = (reason: string) => {
    timer.cancel();
    transport.handler = IGNORE;
    outcome.failed(reason);
  };
  const timer = clock.schedule(timeoutMs, () => fail("no transport header in time"));
  transport.handler = {
    ...IGNORE,
    data(chunk) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const reading = read(bytes);
      if (reading.kind === "bad") fail(`bad transport header: ${reading.why}`);
      else if (reading.kind === "more" && bytes.length > MAX_TRANSPORT_HEADER_BYTES)
        fail("the transport header is too long");
      else if (reading.kind === "header") {
        timer.cancel();
        transport.pause();
        outcome.header(reading.header, bytes.subarray(reading.byteCount));
      }
    },
    end: () => fail("closed before the transport header"),
    closed: () => fail("closed before the transport header"),
  };
}

const IGNORE = { data() {}, drain() {}, end() {}, closed() {} };

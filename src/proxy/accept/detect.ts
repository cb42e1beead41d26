import type { Clock, Timer } from "#lib/clock";
import type { Transport } from "#net/transport";
import type { HeldClient } from "./held-client.ts";
import {
  beginsWithText,
  type FirstBytes,
  httpVersionOf,
  isHttp1Response,
  isHttp2Settings,
  mayBecomeHttp,
} from "./http-version.ts";

/** A connection to the server that was made before it was known what the client speaks. */
export interface EarlyServer {
  readonly transport: Transport;
  /** What the server has said so far. */
  readonly chunks: readonly Uint8Array[];
  readonly hasEnded: boolean;
}

export interface DetectOptions {
  readonly client: Pick<HeldClient, "onGone" | "onSpeak" | "readOn" | "hasSpoken" | "hasEnded" | "first">;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /**
   * Dials the server as for opaque traffic, when the client stays silent; null where that could slip past a rule.
   * `connected` may come later; the returned `cancel` stops it.
   */
  readonly dialEarly: ((connected: (transport: Transport) => void) => { cancel(): void }) | null;
  /**
   * There are rules for HTTP requests that an opaque connection would slip past: silence, and what could be meant as HTTP
   * by a lenient server, counts as HTTP/1, whose strict reader refuses what it is not.
   */
  readonly isStrict?: boolean;
  readonly decided: (kind: FirstBytes, early: EarlyServer | null) => void;
}

/** A client that speaks first does so within a round trip. One that is silent this long may be waiting for its server. */
export const SILENCE_MS = 50;
/** How long the pieces of a first line may take when no rule depends on it. */
const PIECES_MS = 50;

/**
 * Finds out what a client speaks from its first bytes. A client that says nothing waits for its server to begin, so
 * after a moment's silence the server is dialled, and its first bytes decide: an HTTP/2 SETTINGS frame leaves the
 * question to the client, anything else makes the connection opaque.
 *
 *   waiting --client speaks--> decided
 *      |                          ^
 *      +--silence--> early dial --+-- server speaks, client speaks, or time is up
 */
export class Detection {
  readonly #options: DetectOptions;
  #silence: Timer | null = null;
  #deadline: Timer | null = null;
  #pieces: Timer | null = null;
  #dial: { cancel(): void } | null = null;
  #early: Transport | null = null;
  #earlyChunks: Uint8Array[] = [];
  #earlyEnded = false;
  #isDecided = false;

  constructor(options: DetectOptions) {
    this.#options = options;
  }

  start(): void {
    const { client, clock, timeoutMs, dialEarly } = this.#options;
    client.onGone(() => this.#abandon());
    client.onSpeak(() => this.#clientSpoke());
    if (this.#isDecided) return;
    if (dialEarly) this.#silence = clock.schedule(SILENCE_MS, () => this.#dialEarly());
    this.#deadline = clock.schedule(timeoutMs, () => this.#decide(this.#options.isStrict ? "http1" : "other"));
  }

  /** Somebody else has taken the client (it turned out to speak TLS). */
  cancel(): void {
    if (!this.#isDecided) this.#abandon();
  }

  #clientSpoke(): void {
    const { client, clock, isStrict } = this.#options;
    const { first } = client;
    let kind = client.hasSpoken ? httpVersionOf(first) : "other";
    if (kind === "other" && !client.hasEnded && mayBecomeHttp(first)) {
      this.#silence?.cancel();
      if (!isStrict) this.#pieces ??= clock.schedule(PIECES_MS, () => this.#decide("other"));
      client.readOn(() => this.#clientSpoke());
      return;
    }
    if (kind === "other" && isStrict && beginsWithText(first)) kind = "http1";
    if (kind !== "other") this.#dropEarly();
    this.#decide(kind);
  }

  #dialEarly(): void {
    this.#dial = this.#options.dialEarly!((transport) => this.#earlyConnected(transport));
  }

  #earlyConnected(transport: Transport): void {
    this.#dial = null;
    this.#early = transport;
    transport.handler = {
      data: (chunk) => this.#serverSpoke(chunk),
      drain() {},
      end: () => {
        this.#earlyEnded = true;
        this.#decide("other");
      },
      closed: () => this.#dropEarly(),
    };
  }

  #serverSpoke(chunk: Uint8Array): void {
    this.#early!.pause();
    if (isHttp2Settings(chunk) || isHttp1Response(chunk)) {
      this.#dropEarly(); // the client is to speak HTTP (or was too slow to); its request takes the full way
      return;
    }
    this.#earlyChunks.push(chunk);
    this.#decide("other");
  }

  #dropEarly(): void {
    this.#dial?.cancel();
    this.#dial = null;
    const early = this.#early;
    this.#early = null;
    this.#earlyChunks = [];
    early?.terminate();
  }

  #abandon(): void {
    this.#finish();
    this.#dropEarly();
  }

  #decide(kind: FirstBytes): void {
    if (this.#isDecided) return;
    this.#finish();
    const transport = this.#early;
    if (!transport) {
      this.#dropEarly(); // a dial still under way; the opaque path dials anew and reports failures
      this.#options.decided(kind, null);
      return;
    }
    this.#early = null;
    this.#options.decided(kind, { transport, chunks: this.#earlyChunks, hasEnded: this.#earlyEnded });
  }

  #finish(): void {
    this.#isDecided = true;
    this.#silence?.cancel();
    this.#deadline?.cancel();
    this.#pieces?.cancel();
  }
}

import type { HeaderLine } from "#fields";
import { HTTP_1_1, RequestHead, ResponseHead } from "#message";
import type { TcpTransport } from "#net/tcp";
import { RelayError } from "../../src/proxy/errors.ts";
import type { ConnectOutcome } from "../../src/proxy/outbound/endpoint/connector.ts";
import { type EndpointInfo, plainEndpoint } from "../../src/proxy/outbound/endpoint/endpoint-info.ts";
import type { PoolOutcome } from "../../src/proxy/pool/http-pool.ts";
import type {
  ClientConnection,
  ClientConnectionOwner,
  ClientStream,
  RequestSink,
  ResponseSink,
  ServerStream,
} from "../../src/proxy/relay/exchange.ts";

/**
 * Peers that do what the test says, in the places of connector and dialer. `dialled` lists the peers that wait for an
 * answer to a connection attempt, by address, the first one first.
 */
export class FakePeers {
  /** What happened, in order: `dial 10.0.0.1`, `a sent to 10.0.0.1`. */
  readonly events: string[];
  readonly connections: FakeConnection[] = [];
  /** Streams that a connection carries at most. */
  maxStreams = 1;
  #dials: FakeDial[] = [];

  constructor(events: string[]) {
    this.events = events;
  }

  get dialled(): string[] {
    return this.#dials.map(({ ip }) => ip);
  }

  /** The peer takes the oldest connection attempt. */
  accept(ip: string): FakeConnection {
    const dial = this.#take(ip);
    const connection = new FakeConnection(ip, dial.owner, this.maxStreams, this.events);
    this.connections.push(connection);
    dial.connected(connection);
    return connection;
  }

  /** The peer refuses the oldest connection attempt, or what else the code says. */
  refuse(ip: string, code: "connect-refused" | "tls-failed" = "connect-refused"): void {
    this.#take(ip).failed(new RelayError(code, "server", "safe", `Cannot connect to ${ip}:80: ${code}`));
  }

  // --- the connector and the dialer

  labels(): Record<string, string> {
    return {};
  }

  sessionOf(): { upgradesHttp1: boolean; authority: undefined } {
    return { upgradesHttp1: false, authority: undefined };
  }

  dial(info: EndpointInfo, _isHttp2: boolean, owner: ClientConnectionOwner, outcome: PoolOutcome): { cancel(): void } {
    return this.#dial({ ip: info.address.ip, owner, ...outcomeOf(outcome) });
  }

  connect(info: EndpointInfo, _session: string, outcome: ConnectOutcome): { cancel(): void } {
    const connected = (connection: FakeConnection) => outcome.connected(connection as unknown as TcpTransport);
    return this.#dial({ ip: info.address.ip, owner: NOBODY, connected, failed: (failure) => outcome.failed(failure) });
  }

  #dial(dial: FakeDial): { cancel(): void } {
    this.events.push(`dial ${dial.ip}`);
    this.#dials.push(dial);
    return { cancel: () => void (this.#dials = this.#dials.filter((other) => other !== dial)) };
  }

  #take(ip: string): FakeDial {
    const dial = this.#dials.find((one) => one.ip === ip);
    if (!dial) throw new Error(`Nobody dials ${ip}, only ${this.dialled.join(", ") || "nobody"}`);
    this.#dials = this.#dials.filter((other) => other !== dial);
    return dial;
  }
}

interface FakeDial extends Pick<PoolOutcome, "failed"> {
  readonly ip: string;
  readonly owner: ClientConnectionOwner;
  connected(connection: FakeConnection): void;
}

function outcomeOf(outcome: PoolOutcome): Pick<FakeDial, "connected" | "failed"> {
  return {
    connected: (connection) => outcome.connected(connection),
    failed: (failure) => outcome.failed(failure),
  };
}

/** A connection to a peer; what it carries is answered by the test. */
export class FakeConnection implements ClientConnection {
  readonly ip: string;
  readonly #owner: ClientConnectionOwner;
  readonly #maxStreams: number;
  readonly #events: string[];
  readonly #streams: ResponseSink[] = [];
  ending: "" | "drained" | "closed" = "";
  /** What came of requests' bodies: their bytes as text, `;` for each end. */
  said = "";

  constructor(ip: string, owner: ClientConnectionOwner, maxStreams: number, events: string[]) {
    this.ip = ip;
    this.#owner = owner;
    this.#maxStreams = maxStreams;
    this.#events = events;
  }

  capacity(): number {
    return this.ending === "" ? this.#maxStreams - this.#streams.length : 0;
  }

  open(head: RequestHead, _added: readonly HeaderLine[], sink: ResponseSink): ClientStream {
    this.#events.push(`${head.path} sent to ${this.ip}`);
    this.#streams.push(sink);
    return {
      body: (chunk, from, to) => {
        this.said += Buffer.from(chunk.subarray(from, to)).toString("latin1");
        return true;
      },
      end: () => void (this.said += ";"),
      abort: () => this.#leave(sink),
      pause() {},
      resume() {},
    };
  }

  /** Answers the oldest request. */
  answer(status = 200): void {
    const sink = this.#streams[0];
    const head = Object.assign(new ResponseHead(), { status, bodyLength: 0 });
    sink.response(head);
    sink.end(null);
    this.#leave(sink);
  }

  /** Says 103 to the oldest request. */
  interim(): void {
    this.#streams[0].response(Object.assign(new ResponseHead(), { status: 103, bodyLength: 0 }));
  }

  /** Does not process the oldest request, or leaves open whether it does (`if-unsent`). */
  refuse(retry: RelayError["retry"] = "safe"): void {
    const [sink] = this.#streams;
    this.#leave(sink);
    sink.abort(new RelayError("stream-reset", "server", retry, `${this.ip} refused`));
  }

  /** Turns out to have been closed before anything was written to it. */
  wasClosed(): void {
    this.close();
    for (const sink of this.#streams.splice(0)) sink.abort(new RelayError("server-gone", "server", "safe", "closed"));
  }

  drain(): void {
    this.ending = "drained";
  }

  destroy(): void {
    this.close();
  }

  /** The peer, or the one who has no use for it, closes. */
  close(): void {
    this.ending = "closed";
    this.#owner.gone(this);
  }

  #leave(sink: ResponseSink): void {
    if (!this.#streams.includes(sink)) return;
    this.#streams.splice(this.#streams.indexOf(sink), 1);
    this.#owner.available(this);
  }
}

const NOBODY: ClientConnectionOwner = { available() {}, gone() {} };

/** The endpoints of a name, as balancers hear of them: plain ones, at port 80. */
export function plainSet(...ips: string[]): Map<string, EndpointInfo> {
  return new Map(ips.map((ip) => [`${ip}:80`, plainEndpoint({ ip, port: 80 })]));
}

/** A request without a body; its path names it. */
export function requestNamed(name: string, more: Partial<RequestHead> = {}): RequestHead {
  const named = { version: HTTP_1_1, method: "GET", path: name, authority: "web.shop", bodyLength: 0 };
  return Object.assign(new RequestHead(), named, more);
}

/** A client that notes what it is answered: `a 200`, or the status with why. */
export function notingClient(name: string, events: string[], receive = (_sink: RequestSink) => {}): ServerStream {
  return {
    receive,
    watch: receive,
    respond(head, added) {
      const why = added.find((line) => line.name === "l5d-proxy-error")?.value;
      events.push(why === undefined ? `${name} ${head.status}` : `${name} ${head.status}: ${why}`);
    },
    body: () => true,
    end() {},
    abort: (cause) => void events.push(`${name} broken off: ${cause.code}`),
    pause() {},
    resume() {},
    closeAfter() {},
  };
}

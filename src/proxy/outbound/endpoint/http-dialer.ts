import type { HeaderLine } from "#fields";
import type { Clock } from "#lib/clock";
import type { RequestHead } from "#message";
import type { PoolOutcome } from "../../pool/http-pool.ts";
import type { ClientConnection, ClientConnectionOwner } from "../../relay/exchange.ts";
import type { CallTarget, HttpCall } from "../../relay/http-call.ts";
import { Http1Client } from "../../relay/http1-client.ts";
import { Http2ClientConnection } from "../../relay/http2-client.ts";
import { origProtoRequestLine } from "../../relay/orig-proto.ts";
import type { Ticker, Ticking } from "../../relay/ticker.ts";
import type { Connector } from "./connector.ts";
import type { EndpointInfo } from "./endpoint-info.ts";

/** How HTTP travels to one endpoint. */
export interface HttpSession {
  /** The peer proxy takes HTTP/1 requests over HTTP/2. */
  readonly upgradesHttp1: boolean;
  /** Replaces the request's authority at a gateway. */
  readonly authority: string | undefined;
}

/** Makes HTTP connections to endpoints. */
export class HttpDialer {
  readonly #connector: Connector;
  readonly #clock: Clock;
  readonly #ticker: Ticker;

  constructor(connector: Connector, clock: Clock, ticker: Ticker) {
    this.#connector = connector;
    this.#clock = clock;
    this.#ticker = ticker;
  }

  sessionOf(info: EndpointInfo): HttpSession {
    const isRemote = !this.#connector.isLocal(info);
    return {
      upgradesHttp1: isRemote && info.identity !== undefined && info.hint === "http2",
      authority: isRemote ? info.authority?.text : undefined,
    };
  }

  dial(info: EndpointInfo, isHttp2: boolean, owner: ClientConnectionOwner, outcome: PoolOutcome): { cancel(): void } {
    return this.#connector.connect(info, isHttp2 ? "http2" : "http1", {
      connected: (transport) => {
        const connection = isHttp2
          ? new Http2ClientConnection({ transport, owner: this.#ticked(owner), clock: this.#clock })
          : new Http1Client(transport, this.#ticked(owner));
        this.#ticker.add(connection as Ticking);
        transport.resume();
        outcome.connected(connection);
      },
      failed: (failure) => outcome.failed(failure),
    });
  }

  /** Connections tick until they are gone. */
  #ticked(owner: ClientConnectionOwner): ClientConnectionOwner {
    return {
      available: (connection) => owner.available(connection),
      gone: (connection) => {
        this.#ticker.remove(connection as unknown as Ticking);
        owner.gone(connection);
      },
    };
  }
}

/** Opens a stream for a call, in the form in which the endpoint wants it. */
export function openHttp(
  session: HttpSession,
  connection: ClientConnection,
  head: RequestHead,
  added: HeaderLine[],
  call: HttpCall,
  target: CallTarget,
): void {
  if (session.authority !== undefined) {
    head.authority = session.authority;
    for (const name of ["host", "l5d-dst-canonical"]) removeField(head, name);
  }
  const mark = connection instanceof Http2ClientConnection ? origProtoRequestLine(head) : null;
  if (mark) added.push(mark);
  call.open(connection, head, added, target);
}

function removeField(head: RequestHead, name: string): void {
  for (let i = 0; i < head.fields.count; i++)
    if (head.fields.id(i) >= 0 && head.fields.nameIs(i, name)) head.fields.remove(i);
}

import type { Clock } from "#lib/clock";
import type { Http2ServerConfig } from "../env.ts";
import type { RequestHandler } from "../relay/exchange.ts";
import { Http1Server } from "../relay/http1-server.ts";
import { Http2ServerConnection } from "../relay/http2-server.ts";
import type { Ticker, Ticking } from "../relay/ticker.ts";
import type { HeldClient } from "./held-client.ts";
import type { Drainable, Live } from "./live.ts";

export interface ServeHttpOptions {
  readonly isHttp2: boolean;
  readonly handler: RequestHandler;
  readonly emitsDetail: boolean;
  readonly clock: Clock;
  readonly ticker: Ticker;
  readonly live: Live;
  readonly http2: Http2ServerConfig;
  readonly onClosed: () => void;
}

/** Gives a client to an HTTP server, with the bytes that were read to recognise it. */
export function serveHttp(client: HeldClient, options: ServeHttpOptions): void {
  const { transport } = client;
  if (client.isGone) {
    options.onClosed();
    return;
  }
  const early = client.take();
  let left = () => {};
  let ticking: Ticking | null = null;
  const onClosed = () => {
    left();
    if (ticking) options.ticker.remove(ticking);
    options.onClosed();
  };
  const served = options.isHttp2 ? serve2(client, options, onClosed) : serve1(client, options, onClosed);
  ticking = served.connection;
  left = options.live.add(served.connection);
  options.ticker.add(ticking);
  for (const chunk of early.chunks) served.data(chunk);
  if (early.hasEnded) transport.handler.end();
  transport.resume();
}

interface Served {
  readonly connection: Drainable & Ticking;
  data(chunk: Uint8Array): void;
}

function serve1({ transport }: HeldClient, options: ServeHttpOptions, onClosed: () => void): Served {
  const { handler, emitsDetail } = options;
  const connection = new Http1Server(transport, { handler, emitsDetail, onClosed });
  return { connection, data: (chunk) => connection.transportHandler.data(chunk) };
}

function serve2({ transport }: HeldClient, options: ServeHttpOptions, onClosed: () => void): Served {
  const { keepAliveIntervalMs, keepAliveTimeoutMs } = options.http2;
  const connection = new Http2ServerConnection({
    transport,
    handler: options.handler,
    clock: options.clock,
    keepAlive:
      keepAliveIntervalMs === undefined
        ? undefined
        : { intervalMs: keepAliveIntervalMs, timeoutMs: keepAliveTimeoutMs, whileIdle: true },
    onClosed,
  });
  return { connection, data: (chunk) => connection.receive(chunk) };
}

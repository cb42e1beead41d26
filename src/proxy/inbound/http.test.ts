import { expect, test } from "bun:test";
import { type Fields, type HeaderLine, idOf } from "#fields";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { HTTP_1_1, HTTP_2, RequestHead, ResponseHead } from "#message";
import { IpNetwork, parseIp } from "#net/address";
import { FakePeers, notingClient, plainSet, requestNamed } from "../../../test/support/fake-peers.ts";
import { RelayError } from "../errors.ts";
import { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import { HttpPool } from "../pool/http-pool.ts";
import type { ClientConnection, RequestSink, ResponseSink, ServerStream } from "../relay/exchange.ts";
import type { Application } from "./application.ts";
import { defaultPolicy } from "./compile.ts";
import { InboundHttp } from "./http.ts";

const WEB = "web.shop.serviceaccount.identity.linkerd.cluster.local";

function head(fields: Record<string, string>, more: Partial<RequestHead> = {}): RequestHead {
  const made = Object.assign(new RequestHead(), { version: HTTP_2, method: "GET", path: "/", bodyLength: 0, ...more });
  const text = Object.entries(fields).flat();
  const bytes = Buffer.from(text.join(""), "latin1");
  made.fields.clear(bytes);
  let at = 0;
  for (const [name, value] of Object.entries(fields)) {
    const valueStart = at + name.length;
    made.fields.push(idOf(name.toLowerCase()), at, valueStart, valueStart, valueStart + value.length, null);
    at = valueStart + value.length;
  }
  return made;
}

function inbound(id: string | undefined, application: Application, metrics: ProxyMetrics): InboundHttp {
  const policy = defaultPolicy("all-unauthenticated", [IpNetwork.parse("10.0.0.0/8")!], 1000, false);
  return new InboundHttp(
    {
      client: { ip: parseIp("10.1.1.1")!, isTls: id !== undefined, id },
      tls: id === undefined ? { kind: "none", reason: "no_tls_from_remote" } : { kind: "mesh", peerId: id },
      target: { ip: "10.0.0.1", port: 8080 },
      policy: { current: policy, onChange: () => () => {}, release() {} },
    },
    {
      clock: new FakeClock(),
      random: seededRandom(1),
      metrics,
      application,
      maxInFlight: 100,
      inFlight: { count: 0 },
    },
  );
}

/** One connection through the inbound side to an application that notes what reaches it. */
function setup(id: string | undefined) {
  const reached: { head: RequestHead; names: string[] }[] = [];
  const trailers: string[][] = [];
  const aborted: string[] = [];
  let response: ResponseSink | undefined;
  const connection: ClientConnection = {
    capacity: () => 1,
    drain() {},
    destroy() {},
    open(opened, added, sink) {
      response = sink;
      reached.push({ head: opened.copy(), names: [...namesOf(opened.fields), ...added.map((line) => line.name)] });
      return {
        body: () => true,
        end: (fields) => void trailers.push(fields ? namesOf(fields) : []),
        abort: (cause) => void aborted.push(cause.code),
        pause() {},
        resume() {},
      };
    },
  };
  const pools: boolean[] = [];
  const application = {
    pools: () => (isHttp2: boolean) => {
      pools.push(isHttp2);
      return { take: () => connection };
    },
  } as unknown as Application;
  const http = inbound(id, application, new ProxyMetrics());
  const answered: { statuses: number[]; sink: RequestSink | null } = { statuses: [], sink: null };
  const stream: ServerStream = {
    receive: (sink) => void (answered.sink = sink),
    watch() {},
    respond: (responded: ResponseHead, _added: readonly HeaderLine[]) => void answered.statuses.push(responded.status),
    body: () => true,
    end() {},
    abort() {},
    pause() {},
    resume() {},
    closeAfter() {},
  };
  const send = (request: RequestHead) => http.request(request, stream);
  return { send, reached, trailers, aborted, pools, answered, response: () => response! };
}

/** HTTP/1 connections to an application, which the test makes. */
function poolOf(peers: FakePeers): HttpPool {
  return new HttpPool({
    peer: "app",
    isHttp2: false,
    dial: (owner, outcome) => peers.dial(plainSet("app").get("app:80")!, false, owner, outcome),
    clock: new FakeClock(),
    maxIdle: 10,
    idleMs: 60_000,
    maxWaiters: 10,
    maxWaitMs: 1000,
    observer: { connected() {}, connectFailed() {}, eased() {} },
  });
}

function namesOf(fields: Fields): string[] {
  const names: string[] = [];
  for (let i = 0; i < fields.count; i++) if (fields.id(i) >= 0) names.push(fields.name(i));
  return names;
}

test.each(["l5d-client-id", "L5D-Client-ID", "l5d_client_id", "L5d_Client-Id", "l5d-client_id"])(
  "a client cannot say who it is by %s, neither in the head nor in trailers",
  (name) => {
    const { send, reached, trailers, answered } = setup(undefined);
    const claimed = head({ [name]: "admin.shop", "x-kept": "1" }, { version: HTTP_1_1, authority: "shop" });
    send(claimed);
    expect(reached[0].names).toEqual(["x-kept"]);
    answered.sink!.end(head({ [name]: "admin.shop", "x-sum": "1" }).fields);
    expect(trailers).toEqual([["x-sum"]]);
  },
);

test("who has an identity is named by it once", () => {
  const { send, reached } = setup(WEB);
  send(head({ "l5d-client-id": "admin.shop", l5d_client_id: "admin.shop" }, { authority: "shop" }));
  expect(reached[0].names).toEqual(["l5d-client-id"]);
});

test("only a proxy of the mesh may say that its HTTP/2 request is an HTTP/1 one", () => {
  const stranger = setup(undefined);
  stranger.send(head({ "l5d-orig-proto": "HTTP/1.1; absolute-form" }, { authority: "shop" }));
  expect(stranger.pools).toEqual([true]);
  expect(stranger.reached[0].names).toEqual([]);
  expect(stranger.reached[0].head.isAbsoluteForm).toBe(false);
  const meshed = setup(WEB);
  meshed.send(head({ "l5d-orig-proto": "HTTP/1.1; absolute-form" }, { authority: "shop" }));
  expect(meshed.pools).toEqual([false]);
  expect(meshed.reached[0].head.isAbsoluteForm).toBe(true);
});

test.each([undefined, WEB])("the host that routes are matched by is the one the application sees (client %s)", (id) => {
  const { send, reached } = setup(id);
  send(head({ "l5d-orig-proto": "HTTP/1.1", host: "admin.shop" }, { authority: "public.shop" }));
  expect(reached[0].head.authority).toBe("public.shop");
  expect(reached[0].names).not.toContain("host");
});

test("a client that leaves after a whole response but within its request takes the request away from the application", () => {
  const { send, aborted, answered, response } = setup(WEB);
  send(head({}, { authority: "shop", bodyLength: -1 }));
  const final = new ResponseHead();
  final.bodyLength = 0;
  response().response(final);
  response().end(null);
  answered.sink!.abort({ code: "client-gone" } as RelayError);
  expect(aborted).toEqual(["client-gone"]);
});

test("a client that leaves after both halves are complete disturbs nobody", () => {
  const { send, aborted, answered, response } = setup(WEB);
  send(head({}, { authority: "shop" }));
  answered.sink!.end(null);
  response().response(new ResponseHead());
  response().end(null);
  answered.sink!.abort({ code: "client-gone" } as RelayError);
  expect(aborted).toEqual([]);
});

test("a client that leaves while its request waits for the application is not waited for", () => {
  const events: string[] = [];
  const peers = new FakePeers(events);
  const pool = poolOf(peers);
  const http = inbound(undefined, { pools: () => () => pool } as unknown as Application, new ProxyMetrics());
  let body!: RequestSink;
  http.request(
    requestNamed("a"),
    notingClient("a", events, (sink) => void (body = sink)),
  );
  expect(pool.waitingCount).toBe(1);
  body.abort(new RelayError("client-gone", "client", "never", "left"));
  expect(pool.waitingCount).toBe(0);
  peers.accept("app");
  expect(events).toEqual(["dial app"]);
});

test("what the application did not process is sent again, once, on a new connection, and counted once", () => {
  const events: string[] = [];
  const peers = new FakePeers(events);
  const metrics = new ProxyMetrics();
  const pool = poolOf(peers);
  const http = inbound(undefined, { pools: () => () => pool } as unknown as Application, metrics);
  const send = (name: string) => http.request(requestNamed(name), notingClient(name, events));
  send("a");
  const idle = peers.accept("app");
  idle.answer();
  send("b");
  idle.wasClosed();
  const next = peers.accept("app");
  next.answer();
  send("c");
  next.wasClosed();
  peers.accept("app").wasClosed();
  expect(peers.dialled).toEqual([]);
  expect(events.filter((event) => !event.startsWith("dial")).map((event) => event.replace(/:.*/, ""))).toEqual([
    ...["a sent to app", "a 200"],
    ...["b sent to app", "b sent to app", "b 200"],
    ...["c sent to app", "c sent to app", "c 502"],
  ]);
  expect(metrics.registry.render()).toMatch(/\nrequest_total\{[^\n]*\} 3\n/);
});

/**
 * What one HTTP/2 request costs in the inbound hop without sockets or TLS: frames in from the client's proxy, policy,
 * frames out to the application, and the response back. gRPC's shape: 150 bytes in, 1 KB out, 100 streams at once, `batch`
 * requests a read. `bun bench/micro/http2-hop.ts [batch]`. Says what is allocated, too; compare within one run only.
 */
import { heapStats } from "bun:jsc";
import { HeaderLine } from "#fields";
import { HpackEncoder } from "#hpack";
import { systemClock } from "#lib/clock";
import { systemRandom } from "#lib/random";
import { HTTP_2, RequestHead, ResponseHead } from "#message";
import { IpNetwork, parseIp } from "#net/address";
import type { Transport, TransportHandler } from "#net/transport";
import type { Application } from "../../src/proxy/inbound/application.ts";
import { defaultPolicy } from "../../src/proxy/inbound/compile.ts";
import { InboundHttp } from "../../src/proxy/inbound/http.ts";
import { ProxyMetrics } from "../../src/proxy/metrics/proxy-metrics.ts";
import { Http2ClientConnection } from "../../src/proxy/relay/http2-client.ts";
import { Http2ServerConnection } from "../../src/proxy/relay/http2-server.ts";
import { TurnQueue } from "../../src/proxy/relay/turn.ts";

const BATCH = Number(process.argv[2] ?? 4);
const WEB = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const REQUEST_BYTES = 150;
const RESPONSE_BYTES = 1024;
const ROUND = 40_000;

/** A peer that reads everything and never says no. */
class Sink implements Transport {
  handler!: TransportHandler;
  bytes = 0;
  write(_bytes: Uint8Array, from: number, to: number): number {
    this.bytes += to - from;
    return to - from;
  }
  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  close(): void {}
  terminate(): void {}
}

let run: (() => void) | null = null;
const turn = new TurnQueue((flush) => {
  run = flush;
});
function endOfTurn(): void {
  const flush = run;
  run = null;
  flush?.();
}

const near = new Sink();
const far = new Sink();
const owner = { available() {}, gone() {} };
const toApplication = new Http2ClientConnection({ transport: far, owner, clock: systemClock, turn });
const pool = { take: () => toApplication };
const application = { pools: () => () => pool } as unknown as Application;
const policy = defaultPolicy("all-unauthenticated", [IpNetwork.parse("10.0.0.0/8")!], 1000, false);
const handler = new InboundHttp(
  {
    client: { ip: parseIp("10.1.1.1")!, isTls: true, id: WEB },
    tls: { kind: "mesh", peerId: WEB },
    target: { ip: "10.0.0.1", port: 8080 },
    policy: { current: policy, onChange: () => () => {}, release() {} },
  },
  {
    clock: systemClock,
    random: systemRandom,
    metrics: new ProxyMetrics(),
    application,
    maxInFlight: 100_000,
    inFlight: { count: 0 },
  },
);
new Http2ServerConnection({ transport: near, handler, clock: systemClock, turn });

/** A SETTINGS frame with a stream window of 2^31-1 and the connection's window as wide. */
const OPENING = Buffer.from("00000c0400000000000003000003e800047fffffff" + "0000040800000000007fff0000", "hex");
near.handler.data(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), OPENING]));
far.handler.data(OPENING);

const requestHead = Object.assign(new RequestHead(), {
  version: HTTP_2,
  method: "POST",
  path: "/shop.Voting/Vote",
  authority: "voting.shop.svc.cluster.local:8080",
});
const encodeRequest = new HpackEncoder();
const encodeResponse = new HpackEncoder();
const requestFields = ["content-type: application/grpc", "te: trailers", "user-agent: grpc-node-js/1.14.7"];
const responseFields = ["content-type: application/grpc", "date: Mon, 01 Jan 2024 00:00:00 GMT", "server: app"];
const requestBlock = literals(requestFields, (out) => encodeRequest.request(requestHead, [], out, 0));
const responseHead = Object.assign(new ResponseHead(), { version: HTTP_2, status: 200 });
const responseBlock = literals(responseFields, (out) => encodeResponse.response(responseHead, [], out, 0));

/** A block whose fields are put into the peer's table; the same once more is a few bytes of indices. */
function literals(fields: string[], pseudo: (out: Uint8Array) => number): Uint8Array {
  const out = new Uint8Array(4096);
  const end = pseudo(out);
  const lines = fields.map((field) => new HeaderLine(field.split(": ")[0], field.slice(field.indexOf(": ") + 2)).hpack);
  for (const line of lines) line[0] = 0x40; // RFC 7541 §6.2.1
  return Buffer.concat([out.subarray(0, end), ...lines]);
}

/** What stands in the table after the first block, by its indices: path and authority stay literals. */
function indexed(block: Uint8Array, fields: number): Uint8Array {
  const lines = Array.from({ length: fields }, (_, index) => 0x80 | (62 + fields - 1 - index));
  const pseudoEnd = block.indexOf(0x40);
  return Buffer.concat([block.subarray(0, pseudoEnd), Buffer.from(lines)]);
}

function frames(block: Uint8Array, bodyBytes: number): Buffer {
  const frame = Buffer.alloc(9 + block.length + 9 + bodyBytes);
  frame.writeUIntBE(block.length, 0, 3);
  frame[3] = 1;
  frame[4] = 4;
  frame.set(block, 9);
  frame.writeUIntBE(bodyBytes, 9 + block.length, 3);
  frame[9 + block.length + 4] = 1;
  return frame;
}

/** `count` messages for one read, whose stream ids are written over before each. */
class Chunk {
  readonly #bytes: Buffer;
  readonly #starts: number[] = [];
  readonly #blockBytes: number;

  constructor(block: Uint8Array, bodyBytes: number, count: number) {
    const message = frames(block, bodyBytes);
    this.#bytes = Buffer.alloc(message.length * count);
    this.#blockBytes = block.length;
    for (let i = 0; i < count; i++) {
      message.copy(this.#bytes, i * message.length);
      this.#starts.push(i * message.length);
    }
  }

  on(firstId: number): Buffer {
    for (let i = 0; i < this.#starts.length; i++) {
      this.#number(this.#starts[i] + 5, firstId + 2 * i);
      this.#number(this.#starts[i] + 9 + this.#blockBytes + 5, firstId + 2 * i);
    }
    return this.#bytes;
  }

  #number(at: number, id: number): void {
    const bytes = this.#bytes;
    bytes[at + 1] = id >>> 16;
    bytes[at + 2] = id >>> 8;
    bytes[at + 3] = id;
  }
}

function exchange(requests: Chunk, responses: Chunk, firstId: number): void {
  near.handler.data(requests.on(firstId));
  endOfTurn();
  far.handler.data(responses.on(firstId));
  endOfTurn();
}

exchange(new Chunk(requestBlock, REQUEST_BYTES, 1), new Chunk(responseBlock, RESPONSE_BYTES, 1), 1);
let nextId = 3;
const requests = new Chunk(indexed(requestBlock, requestFields.length), REQUEST_BYTES, BATCH);
const responses = new Chunk(indexed(responseBlock, responseFields.length), RESPONSE_BYTES, BATCH);
const nearWindow = windowUpdate(BATCH * RESPONSE_BYTES);
const farWindow = windowUpdate(BATCH * REQUEST_BYTES);

/** The connection's window for what so many requests and responses took of it. */
function windowUpdate(bytes: number): Buffer {
  const frame = Buffer.from("00000408000000000000000000", "hex");
  frame.writeUInt32BE(bytes, 9);
  return frame;
}

const costs: number[] = [];
for (let round = 0; round < 15; round++) {
  const started = process.cpuUsage();
  for (let done = 0; done < ROUND; done += BATCH) {
    exchange(requests, responses, nextId);
    nextId += 2 * BATCH;
    near.handler.data(nearWindow);
    far.handler.data(farWindow);
  }
  const used = process.cpuUsage(started);
  costs.push((used.user + used.system) / ROUND);
}
costs.splice(0, 3);
costs.sort((a, b) => a - b);
const [least, median] = [costs[0], costs[costs.length >> 1]];
process.stdout.write(`${median.toFixed(2)} µs a request (least ${least.toFixed(2)}), ${BATCH} a read\n`);
if (near.bytes === 0 || far.bytes < (nextId * REQUEST_BYTES) / 2) throw new Error("Nothing got through");
process.stdout.write(`cells a request: ${garbage()}\n`);

/** What exchanges leave behind for the collector, by kind. */
function garbage(): string {
  const COUNT = 400;
  Bun.gc(true);
  const before = heapStats().objectTypeCounts;
  for (let done = 0; done < COUNT; done += BATCH) {
    exchange(requests, responses, nextId);
    nextId += 2 * BATCH;
  }
  return Object.entries(heapStats().objectTypeCounts)
    .map(([kind, count]) => [kind, (count - (before[kind] ?? 0)) / COUNT] as const)
    .filter(([, count]) => count >= 0.1)
    .map(([kind, count]) => `${count.toFixed(1)} ${kind}`)
    .join(", ");
}

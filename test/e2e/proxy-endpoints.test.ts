/** Endpoints that cannot be reached, leave, fail or are full: who waits, who is served by another, and who learns what. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import type { WeightedAddr } from "#proto/destination";
import type { OutboundPolicy } from "#proto/outbound";
import {
  addUpdate,
  EMPTY_PROFILE,
  endpoint,
  meshId,
  removeUpdate,
  servicePolicy,
} from "../support/fixture-control-plane.ts";
import { client, Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";
import { type Pod, type PodProcess, until } from "../support/netns.ts";

const HELD = fileURLToPath(new URL("../support/held-app.ts", import.meta.url));
const FAILFAST = "300ms";
let mesh: Mesh;
let web: MeshedPod;
let patient: MeshedPod; // never fails fast
let live: Pod;

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, patient] = await Promise.all([
    mesh.addMeshed("web", { LINKERD2_PROXY_OUTBOUND_HTTP_FAILFAST_TIMEOUT: FAILFAST }),
    mesh.addMeshed("patient", {
      LINKERD2_PROXY_OUTBOUND_HTTP_FAILFAST_TIMEOUT: "60s",
      LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: "60s",
    }),
  ]);
  live = mesh.network.addPod({ isMeshed: false });
  await mesh.startApp(live);
}, 60_000);

afterAll(() => mesh?.close());

/** A pod in which nothing listens, so far. */
const addPod = () => mesh.network.addPod({ isMeshed: false });

/** A service at `vip` with these endpoints; the name that discovery knows it by. */
function serve(vip: string, addrs: WeightedAddr[], change: (policy: OutboundPolicy) => void = () => {}): string {
  const [ip, port] = vip.split(":");
  const path = `end${ip.replaceAll(".", "-")}.shop.svc.cluster.local:${port}`;
  const policy = servicePolicy(path, port === "9000" ? "opaque" : "detect");
  change(policy);
  mesh.control.profiles.set(vip, EMPTY_PROFILE);
  mesh.control.endpoints.set(path, addUpdate(...addrs));
  mesh.control.outbound.set(vip, policy);
  return path;
}

function changeHttp(policy: OutboundPolicy, change: object, part: "route" | "rule"): void {
  const kind = policy.protocol?.kind;
  if (kind?.$case !== "detect") throw new Error("the fixture's policy detects");
  Object.assign(part === "rule" ? kind.value.http1!.routes[0].rules[0] : kind.value.http1!, change);
}

async function startHeld(pod: Pod, kind: "silent" | "http2" | "refuses" | "leaves"): Promise<PodProcess> {
  const app = pod.start([process.execPath, HELD, kind, pod.ip]);
  await until("the server serves", () => app.output().includes("serving"));
  return app;
}

const takenCount = (app: PodProcess) => app.output().split("taken").length - 1;
/** What curl prints of a response: its head, then its body. */
const curl = (pod: Pod, ...words: string[]) => pod.run("curl", "-s", "-i", "-m", "20", ...words);
const statusOf = (answer: string) => answer.slice(0, answer.indexOf("\r")).split(" ")[1];
const ms = (count: number) => ({ seconds: BigInt(Math.floor(count / 1000)), nanos: (count % 1000) * 1_000_000 });
const gate = async (name: string, state: "open" | "shut") =>
  sumOf(await web.metrics(), `outbound_http_balancer_queue_gate_${state}_total`, `backend_name="${name}"`);

test("while no endpoint can be reached, requests fail at once and say why, until the proxy finds one by itself", async () => {
  const [one, two] = [addPod(), addPod()];
  serve("10.96.2.1:80", [endpoint(one.ip, 8080), endpoint(two.ip, 8080)]);
  const first = await curl(web, "http://10.96.2.1/");
  expect(first).toStartWith("HTTP/1.1 504");
  expect(first).toContain(
    "none of 2 endpoints was ready for 300 ms (2 cannot be reached, 0 ejected by the circuit breaker); " +
      "last connect error: Cannot connect to ",
  );
  expect(first).toContain(":8080: ECONNREFUSED");
  for (let i = 0; i < 20; i++) expect(statusOf(await curl(web, "http://10.96.2.1/"))).toBe("504");
  expect([await gate("end10-96-2-1", "shut"), await gate("end10-96-2-1", "open")]).toEqual([1, 0]);
  await mesh.startApp(two);
  await until("the proxy has found it", async () => (await gate("end10-96-2-1", "open")) === 1);
  for (let i = 0; i < 5; i++) expect(statusOf(await curl(web, "http://10.96.2.1/"))).toBe("200");
  expect(await gate("end10-96-2-1", "shut")).toBe(1);
}, 60_000);

test("an endpoint that is gone before discovery says so costs no request, and no retry", async () => {
  const leaving = addPod();
  const app = await mesh.startApp(leaving);
  const retry = {
    maxRetries: 2,
    maxRequestBytes: 65_536,
    conditions: { statusRanges: [{ start: 500, end: 599 }] },
    timeout: undefined,
    backoff: { minBackoff: ms(1), maxBackoff: ms(2), jitterRatio: 0, respectRetryAfterHint: false },
  };
  const addrs = (port: number) => [endpoint(leaving.ip, port), endpoint(live.ip, port)];
  serve("10.96.2.2:80", addrs(8080), (policy) => changeHttp(policy, { retry }, "rule"));
  serve("10.96.2.2:9000", addrs(9000));
  const requests = async (count: number) => {
    const statuses = [];
    for (let i = 0; i < count; i++) statuses.push(statusOf(await curl(web, "http://10.96.2.2/")));
    return statuses;
  };
  const sent = async (pod: Pod) => sumOf(await web.metrics(), "request_total", `target_ip="${pod.ip}"`);
  expect(await requests(10)).toEqual(new Array(10).fill("200"));
  const before = await sent(leaving);
  expect(before).toBeGreaterThan(0);
  app.kill("SIGKILL");
  await app.exited;
  expect(await requests(20)).toEqual(new Array(20).fill("200"));
  for (let i = 0; i < 5; i++) {
    expect(await client<object>(web, "echo", "10.96.2.2:9000", 10)).toEqual({ read: 13, tail: "bye" });
  }
  expect(await sent(leaving)).toBe(before);
  expect(sumOf(await web.metrics(), "outbound_http_route_retry_requests_total")).toBe(0);
}, 60_000);

test("what waits for a connection to an endpoint that discovery takes away is served by another", async () => {
  const stuck = addPod();
  const app = await startHeld(stuck, "silent");
  const mute = (port: number) => endpoint(stuck.ip, port, { id: meshId("nobody") }); // its TLS handshake never ends
  const http = serve("10.96.2.3:80", [mute(8080)]);
  const opaque = serve("10.96.2.3:9000", [mute(9000)]);
  const waiting = [curl(patient, "http://10.96.2.3/"), client<object>(patient, "echo", "10.96.2.3:9000", 10)] as const;
  await until("all wait for the endpoint", () => takenCount(app) === 2);
  for (const [path, port] of [
    [http, 8080],
    [opaque, 9000],
  ] as const) {
    mesh.control.endpoints.set(path, addUpdate(endpoint(live.ip, port)));
    mesh.control.endpoints.set(path, removeUpdate(mute(port)));
  }
  expect(await waiting[0]).toStartWith("HTTP/1.1 200");
  expect(await waiting[1]).toEqual({ read: 13, tail: "bye" });
}, 60_000);

test("while the breaker keeps the only endpoint out, requests fail at once and say so; a probe brings it back", async () => {
  const backoff = { minBackoff: ms(5000), maxBackoff: ms(5000), jitterRatio: 0, respectRetryAfterHint: false };
  const failureAccrual = { kind: { $case: "consecutiveFailures", value: { maxFailures: 2, backoff } } };
  serve("10.96.2.4:80", [endpoint(live.ip, 8080)], (policy) => changeHttp(policy, { failureAccrual }, "route"));
  for (let i = 0; i < 2; i++) expect(statusOf(await curl(web, "http://10.96.2.4/?status=500"))).toBe("500");
  const refused = await curl(web, "http://10.96.2.4/");
  expect(refused).toStartWith("HTTP/1.1 504");
  expect(refused).toContain("none of 1 endpoints was ready for 300 ms (0 cannot be reached, 1 ejected by the circuit");
  expect(refused).not.toContain("last connect error");
  await until("a probe has passed", async () => statusOf(await curl(web, "http://10.96.2.4/")) === "200");
  expect([await gate("end10-96-2-4", "shut"), await gate("end10-96-2-4", "open")]).toEqual([1, 1]);
}, 60_000);

test("a peer's limit of streams: four connections are filled, and who waits longer learns of the limit", async () => {
  const full = addPod();
  const app = await startHeld(full, "http2");
  serve("10.96.2.5:80", [endpoint(full.ip, 8080)]);
  const ask = () => curl(web, "--http2-prior-knowledge", "http://10.96.2.5/");
  const held: Promise<string>[] = [];
  for (let count = 1; count <= 4; count++) {
    held.push(ask());
    await until(`${count} requests are held`, () => takenCount(app) === count);
  }
  const refused = await ask();
  expect(refused).toStartWith("HTTP/2 504");
  expect(refused).toContain(
    `${full.ip}:8080: no stream became free for 300 ms: each of 4 connections carries all that the peer allows`,
  );
  app.kill("SIGUSR1");
  for (const answer of held) expect(await answer).toStartWith("HTTP/2 200");
  expect(await ask()).toStartWith("HTTP/2 200");
  expect(takenCount(app)).toBe(5);
}, 60_000);

test("requests that peers did not process are answered by another, and are no retries; without one they end", async () => {
  const pods = [addPod(), addPod(), addPod()];
  const [refuses, leaves, answers] = await Promise.all([
    startHeld(pods[0], "refuses"),
    startHeld(pods[1], "leaves"),
    startHeld(pods[2], "http2"),
  ]);
  answers.kill("SIGUSR1");
  const ask = (vip: string) => curl(web, "--http2-prior-knowledge", "-d", "vote", `http://${vip}/`);
  serve("10.96.2.6:80", [endpoint(pods[0].ip, 8080)]);
  serve("10.96.2.7:80", [endpoint(pods[1].ip, 8080)]);
  expect(await ask("10.96.2.6")).toContain("Server reset the stream (REFUSED_STREAM)");
  expect(await ask("10.96.2.7")).toContain("Server went away before it processed the request");
  expect([takenCount(refuses), takenCount(leaves)]).toEqual([2, 2]);
  serve(
    "10.96.2.8:80",
    pods.map((pod) => endpoint(pod.ip, 8080)),
  );
  await until("each was asked", async () => {
    expect(await ask("10.96.2.8")).toStartWith("HTTP/2 200");
    return takenCount(refuses) > 2 && takenCount(leaves) > 2;
  });
  expect(sumOf(await web.metrics(), "outbound_http_route_retry_requests_total")).toBe(0);
}, 60_000);

import { afterAll, beforeAll, expect, test } from "bun:test";
import { addUpdate, EMPTY_PROFILE, endpoint, servicePolicy } from "../support/fixture-control-plane.ts";
import { client, Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";

const VIP = "10.96.0.70:80";
const PATH = "web.shop.svc.cluster.local:80";
const ROUNDS = 40;
const PER_ROUND = 2_000; // HTTP/1.1 requests, every other one with a body, over one connection
const WARM_ROUNDS = 10; // code compiled, buffers grown: memory counts from here

let mesh: Mesh;
let web: MeshedPod;
let shop: MeshedPod;

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, shop] = await Promise.all([mesh.addMeshed("web"), mesh.addMeshed("shop")]);
  await mesh.startApp(shop);
  mesh.control.profiles.set(VIP, EMPTY_PROFILE);
  mesh.control.endpoints.set(
    PATH,
    addUpdate(endpoint(shop.ip, 8080, { id: shop.id, hint: "h2", viaInboundPort: true })),
  );
  mesh.control.outbound.set(VIP, servicePolicy(PATH));
}, 60_000);

afterAll(() => mesh?.close());

/** The least private memory over a few readings: garbage comes and goes, growth stays. */
async function leastMemoryKb(pod: MeshedPod): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++)
    least = Math.min(least, sumOf(await pod.metrics(), "process_anonymous_memory_bytes") / 1024);
  return least;
}

test("eighty thousand requests are answered and counted, and neither proxy grows", async () => {
  const early: number[] = [];
  const late: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const answers = await client<{ status?: number }[]>(web, "http", VIP, PER_ROUND);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const readings = round <= WARM_ROUNDS * 2 ? early : late;
    if (round > WARM_ROUNDS) readings.push(Math.max(await leastMemoryKb(web), await leastMemoryKb(shop)));
  }
  const total = ROUNDS * PER_ROUND;
  const [out, inn] = [await web.metrics(), await shop.metrics()];
  expect(sumOf(out, "response_total", 'direction="outbound"', 'classification="success"')).toBe(total);
  expect(sumOf(inn, "response_total", 'direction="inbound"', 'classification="success"')).toBe(total);
  expect(sumOf(out, "proxy_unexpected_errors_total") + sumOf(inn, "proxy_unexpected_errors_total")).toBe(0);
  expect(Math.min(...late)).toBeLessThan(Math.min(...early) * 1.5);
}, 3_600_000);

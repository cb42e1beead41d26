import { expect, test } from "bun:test";
import { RateLimit } from "./rate-limit.ts";

const options = { name: "limit", group: "policy.linkerd.io", kind: "HTTPLocalRateLimitPolicy" };
const taken = (limit: RateLimit, client: string | undefined, count: number, nowMs: number) =>
  Array.from({ length: count }, () => limit.take(client, nowMs)).filter((refusal) => !refusal).length;

test("a second's worth may come at once, then the rate holds", () => {
  const limit = new RateLimit({ ...options, totalRps: 10, identityRps: 0, overrides: [] });
  expect(taken(limit, "a", 25, 0)).toBe(10);
  expect(taken(limit, "a", 25, 100)).toBe(1);
  expect(taken(limit, "a", 25, 1100)).toBe(10);
});

test("each identity has its own bucket, those without share one, overrides are shared by their list", () => {
  const limit = new RateLimit({
    ...options,
    totalRps: 0,
    identityRps: 2,
    overrides: [{ rps: 5, identities: ["x", "y"] }],
  });
  expect(taken(limit, "a", 5, 0)).toBe(2);
  expect(taken(limit, "b", 5, 0)).toBe(2);
  expect(taken(limit, undefined, 5, 0)).toBe(2);
  expect(taken(limit, "x", 3, 0) + taken(limit, "y", 5, 0)).toBe(5);
  expect(limit.take("a", 0)).toEqual({ scope: "identity", message: "per-identity rate limit exceeded: 2rps" });
});

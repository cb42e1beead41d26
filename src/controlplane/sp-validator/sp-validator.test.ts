import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "#lib/log";
import { writeServingCertificate } from "../../../test/support/serving-certificate.ts";
import { startSpValidator, validateProfile } from "./index.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const profile = (spec: unknown, metadata: unknown = { name: "web.shop.svc.cluster.local" }) => ({
  apiVersion: "linkerd.io/v1alpha2",
  kind: "ServiceProfile",
  metadata,
  spec,
});
const route = (more: Record<string, unknown>) => ({ routes: [{ name: "r", condition: { method: "GET" }, ...more }] });

const GOOD: readonly (readonly [says: string, spec: unknown])[] = [
  ["an empty one", {}],
  [
    "one that uses everything",
    {
      retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: "10s" },
      dstOverrides: [
        { authority: "a.shop.svc.cluster.local:80", weight: "500m" },
        { authority: "b", weight: 1 },
      ],
      routes: [
        {
          name: "GET /",
          condition: { all: [{ method: "GET" }, { not: { any: [{ pathRegex: "/private(?P<rest>/.*)?" }] } }] },
          isRetryable: true,
          timeout: "1m30s",
          responseClasses: [{ condition: { status: { min: 500 } }, isFailure: true }],
        },
      ],
    },
  ],
];

test.each(GOOD)("%s is let through", (_says, spec) => {
  expect(validateProfile(profile(spec))).toEqual([]);
});

const BAD: readonly (readonly [says: string, object: Record<string, unknown>, problem: string])[] = [
  ["no spec", profile(undefined), "spec: nothing must be a map"],
  ["a name that is none", profile({}, { name: "Web" }), 'metadata.name: "Web" must be the DNS name of a service'],
  [
    "a misspelt field",
    profile(route({ isRetriable: true })),
    "spec.routes[0].isRetriable: unknown field; known are name",
  ],
  ["a route without a name", profile(route({ name: "" })), 'spec.routes[0].name: "" must be a name'],
  [
    "a route without a condition",
    profile({ routes: [{ name: "r" }] }),
    "spec.routes[0].condition: nothing must be a map",
  ],
  [
    "an empty condition",
    profile(route({ condition: {} })),
    "spec.routes[0].condition: one of pathRegex, method, all, any, not must be set",
  ],
  [
    "an empty condition deep down",
    profile(route({ condition: { all: [{ not: {} }] } })),
    "spec.routes[0].condition.all[0].not: one of",
  ],
  [
    "a null in a list",
    profile(route({ condition: { any: [null] } })),
    "spec.routes[0].condition.any[0]: null must be a map",
  ],
  [
    "a broken regular expression",
    profile(route({ condition: { pathRegex: "/(" } })),
    'spec.routes[0].condition.pathRegex: "/(" must be a regular expression',
  ],
  [
    "a timeout without a unit",
    profile(route({ timeout: "300" })),
    'spec.routes[0].timeout: "300" must be a duration like 300ms',
  ],
  [
    "a status out of range",
    profile(route({ responseClasses: [{ condition: { status: { min: 99 } } }] })),
    "status.min: 99 must be an HTTP status",
  ],
  [
    "a range backwards",
    profile(route({ responseClasses: [{ condition: { status: { min: 500, max: 400 } } }] })),
    "max 400 must not be below min 500",
  ],
  [
    "a class without a condition",
    profile(route({ responseClasses: [{}] })),
    "responseClasses[0].condition: nothing must be a map",
  ],
  [
    "a negative ratio",
    profile({ retryBudget: { retryRatio: -1, minRetriesPerSecond: 1, ttl: "1s" } }),
    "retryRatio: -1 must be a number from 0",
  ],
  [
    "a budget without a ttl",
    profile({ retryBudget: { retryRatio: 1, minRetriesPerSecond: 1 } }),
    "ttl: nothing must be a duration",
  ],
  [
    "a weight that is none",
    profile({ dstOverrides: [{ authority: "a", weight: "heavy" }] }),
    'weight: "heavy" must be a quantity',
  ],
  ["routes that are no list", profile({ routes: { name: "r" } }), 'spec.routes: {"name":"r"} must be a list'],
];

test.each(BAD)("%s is refused, and named", (_says, object, problem) => {
  const problems = validateProfile(object);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});

test("conditions nested without end are refused, not followed", () => {
  let condition: Record<string, unknown> = { method: "GET" };
  for (let i = 0; i < 5_000; i++) condition = { not: condition };
  expect(validateProfile(profile(route({ condition })))[0]).toContain("at most 20 deep");
});

test("over TLS, every problem comes back at once", async () => {
  const tlsDirectory = mkdtempSync(join(tmpdir(), "sp-validator-"));
  cleanups.push(() => rmSync(tlsDirectory, { recursive: true }));
  const paths = { certPath: join(tlsDirectory, "tls.crt"), keyPath: join(tlsDirectory, "tls.key") };
  const ca = await writeServingCertificate(paths, "linkerd-sp-validator.linkerd.svc");
  const listen = { host: "127.0.0.1", port: 0 };
  const app = await startSpValidator({ listen, admin: listen, tlsDirectory, log: silentLog });
  cleanups.push(() => app.stop());
  const object = profile({ routes: [{ name: "", condition: {}, timeout: "soon" }] });
  const kind = { group: "linkerd.io", version: "v1alpha2", kind: "ServiceProfile" };
  const request = { uid: "u", kind, operation: "CREATE", object };
  const body = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
  const answer = await fetch(`https://localhost:${app.port}/`, { method: "POST", body, tls: { ca } });
  const { response } = (await answer.json()) as {
    response: { allowed: boolean; status: { code: number; message: string } };
  };
  expect([response.allowed, response.status.code]).toEqual([false, 400]);
  expect(response.status.message.split("; ")).toHaveLength(3);
  expect((await fetch(`http://127.0.0.1:${app.adminPort}/ready`)).status).toBe(200);
});

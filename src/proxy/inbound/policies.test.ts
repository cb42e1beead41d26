import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { createLog } from "#lib/log";
import { seededRandom } from "#lib/random";
import { PortSpec, Server } from "#proto/inbound";
import type { GrpcSink } from "../control/channel.ts";
import { readConfig } from "../env.ts";
import { InboundPolicies } from "./policies.ts";

const OPAQUE: Server = {
  protocol: { kind: { $case: "opaque", value: {} } },
  serverIps: [],
  authorizations: [],
  labels: { group: "policy.linkerd.io", kind: "server", name: "closed" },
};

function setup() {
  const clock = new FakeClock();
  const streams = new Map<number, GrpcSink>(); // by port, the one that is open
  const { config, errors } = readConfig((name) => ENV[name.replace("LINKERD2_PROXY_", "")]);
  if (!config) throw new Error(errors.join());
  const policies = new InboundPolicies({
    config,
    clock,
    log: createLog({ level: "off", write() {}, wallMs: () => 0 } as never),
    watch: {
      channel: {
        call: (_path, request, sink) => {
          const { port } = PortSpec.decode(request);
          streams.set(port, sink);
          return { cancel: () => void (streams.get(port) === sink && streams.delete(port)) };
        },
        close() {},
      },
      clock,
      random: seededRandom(1),
      backoff: { minMs: 100, maxMs: 1000, jitter: 0 },
      limits: { initialMs: undefined, idleMs: undefined, lifetimeMs: undefined },
    },
  });
  const tell = (port: number, server: Server) => streams.get(port)!.message(Server.encode(server).finish());
  return { clock, streams, policies, tell, idleMs: config.inbound.discoveryIdleMs };
}

const ENV: Record<string, string> = {
  OUTBOUND_LISTEN_ADDR: "127.0.0.1:4140",
  INBOUND_LISTEN_ADDR: "0.0.0.0:4143",
  ADMIN_LISTEN_ADDR: "0.0.0.0:4191",
  INBOUND_IPS: "10.0.0.1",
  INBOUND_DEFAULT_POLICY: "all-unauthenticated",
  DESTINATION_SVC_ADDR: "127.0.0.1:8086",
  POLICY_SVC_ADDR: "127.0.0.1:8090",
  POLICY_WORKLOAD: "{}",
  IDENTITY_SVC_ADDR: "127.0.0.1:8080",
  IDENTITY_DIR: "/none",
  IDENTITY_TRUST_ANCHORS: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
  IDENTITY_TOKEN_FILE: "/none",
  IDENTITY_LOCAL_NAME: "web.shop",
};

test("whoever holds every watch open cannot make a further port fall back to the default policy", () => {
  const { policies } = setup();
  const held = Array.from({ length: 512 }, (_, i) => policies.acquire(10_000 + i));
  const further = policies.acquire(8080);
  expect(further.current.grants).toHaveLength(1); // localhost
  held[0].release();
  const watched = policies.acquire(8080);
  expect(watched.current.meta.name).toBe("all-unauthenticated");
});

test("an unused port makes room for another, which is then watched", () => {
  const { policies, streams } = setup();
  for (let port = 10_000; port < 10_512; port++) policies.acquire(port).release();
  policies.acquire(8080);
  expect(streams.has(8080)).toBe(true);
  expect(streams.size).toBe(512);
});

test("while the control plane is away an unused port keeps its policy, after that it is forgotten", () => {
  const { policies, streams, clock, tell, idleMs } = setup();
  const one = policies.acquire(8080);
  tell(8080, OPAQUE);
  one.release();
  streams.get(8080)!.closed({ code: 14, message: "gone" });
  clock.advance(3 * idleMs);
  expect(policies.acquire(8080).current.meta.name).toBe("closed");
  const two = policies.acquire(9090);
  tell(9090, OPAQUE);
  two.release();
  clock.advance(idleMs);
  expect(policies.acquire(9090).current.meta.name).toBe("all-unauthenticated");
});

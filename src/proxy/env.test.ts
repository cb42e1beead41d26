import { expect, test } from "bun:test";
import { levelOfFilter, readConfig } from "./env.ts";

const MINIMAL: Record<string, string> = {
  DESTINATION_SVC_ADDR: "linkerd-dst-headless.linkerd.svc.cluster.local.:8086",
  DESTINATION_SVC_NAME: "linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local",
  POLICY_SVC_ADDR: "localhost.:8090",
  IDENTITY_SVC_ADDR: "localhost.:8080",
  POLICY_WORKLOAD: '{"ns":"shop","pod":"web"}',
  IDENTITY_DIR: "/tmp/id",
  IDENTITY_TRUST_ANCHORS: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
  IDENTITY_TOKEN_FILE: "/tmp/token",
  IDENTITY_LOCAL_NAME: "web.shop.serviceaccount.identity.linkerd.cluster.local",
};

function read(extra: Record<string, string> = {}) {
  const env: Record<string, string> = { ...MINIMAL, ...extra };
  return readConfig((name) => env[name.replace(/^LINKERD2_PROXY_/, "")]);
}

test("what is not set has its default", () => {
  const { config, errors } = read();
  expect(errors).toEqual([]);
  expect(config!.inbound.connectTimeoutMs).toBe(300);
  expect(config!.outbound.connectTimeoutMs).toBe(1000);
  expect(config!.outbound.listen).toEqual([{ ip: "127.0.0.1", port: 4140 }]);
  expect(config!.destination.identity).toBe(MINIMAL.DESTINATION_SVC_NAME);
  expect(config!.policy).toEqual({ host: "localhost.", port: 8090, identity: undefined });
  expect(config!.inbound.defaultPolicy).toBe("all-unauthenticated");
});

test("every bad value is reported at once", () => {
  const { config, errors } = read({
    INBOUND_DETECT_TIMEOUT: "soon",
    INBOUND_PORTS: "80,99999",
    ADMIN_LISTEN_ADDR: "here",
    IDENTITY_LOCAL_NAME: "",
    INBOUND_DEFAULT_POLICY: "cluster-authenticated",
  });
  expect(config).toBeUndefined();
  expect(errors).toHaveLength(5);
  expect(errors.join("\n")).toContain('LINKERD2_PROXY_INBOUND_DETECT_TIMEOUT is "soon", wanted a duration');
});

test("a control-plane program beyond loopback needs its identity", () => {
  expect(read({ DESTINATION_SVC_NAME: "" }).errors).toEqual([
    "LINKERD2_PROXY_DESTINATION_SVC_NAME is required unless the address is loopback",
  ]);
});

test("stream limits must be in order", () => {
  expect(read({ CONTROL_STREAM_INITIAL_TIMEOUT: "10s", CONTROL_STREAM_IDLE_TIMEOUT: "5s" }).errors).toHaveLength(1);
});

test("`levelOfFilter()` takes the level meant for this program", () => {
  expect(levelOfFilter("warn,linkerd=info,hickory=error")).toBe("info");
  expect(levelOfFilter("warn,linkerd=debug")).toBe("debug");
  expect(levelOfFilter("off")).toBe("off");
});

test("only addresses of the machine itself go without an identity, not names that look like one", () => {
  expect(read({ IDENTITY_SVC_ADDR: "127.0.0.1:8080" }).errors).toEqual([]);
  expect(read({ IDENTITY_SVC_ADDR: "127.attacker.example:8080" }).errors).toHaveLength(1);
});

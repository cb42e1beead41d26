import { afterEach, expect, test } from "bun:test";
import { parseYamlAll } from "#lib/yaml";
import { frameMessage, type GrpcMethod, GrpcServer, serverStream, unary } from "#net/grpc-server";
import { DestinationProfile, GetDestination, Update } from "#proto/destination";
import { PortSpec, Server } from "#proto/inbound";
import { OutboundPolicy, TrafficSpec } from "#proto/outbound";
import { CliBench } from "../../../test/support/cli.ts";
import { KubeApi } from "../../../test/support/kube-api.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A bench and a control plane that serves `methods`, as `--api-addr` names it. */
async function start(...methods: GrpcMethod[]): Promise<{ bench: CliBench; flags: string[] }> {
  const server = new GrpcServer({ methods });
  const port = await server.listen({ host: "127.0.0.1", port: 0 });
  const bench = new CliBench(await KubeApi.start());
  closers.push(
    () => server.drain(0),
    () => bench.close(),
  );
  return { bench, flags: ["--api-addr", `127.0.0.1:${port}`] };
}

const address = (last: number, pod: string) => ({
  addr: { ip: { ip: { $case: "ipv4" as const, value: (10 << 24) + last } }, port: 8080 },
  weight: 10_000,
  metricLabels: { pod },
  tlsIdentity: undefined,
  protocolHint: undefined,
  authorityOverride: undefined,
  http2: undefined,
  resourceRef: undefined,
});

function destination(asked: string[]): GrpcMethod {
  return serverStream("/io.linkerd.proxy.destination.Destination/Get", GetDestination, (request, stream) => {
    asked.push(request.path);
    if (request.path.startsWith("none")) {
      send(stream, { update: { $case: "noEndpoints", value: { exists: false } } });
      return;
    }
    const metricLabels = { namespace: "shop", service: "web" };
    const addrs = [address(1, "web-1"), address(2, "web-2"), address(3, "web-3")];
    send(stream, { update: { $case: "add", value: { addrs, metricLabels } } });
    send(stream, { update: { $case: "remove", value: { addrs: [addrs[1]!.addr] } } });
  });
}

function send(stream: { send(frame: Uint8Array): unknown }, update: unknown): void {
  stream.send(frameMessage(Update.encode(update as Update).finish()));
}

test("endpoints prints what is left of the answer when it pauses", async () => {
  const asked: string[] = [];
  const { bench, flags } = await start(destination(asked));
  const { code, out, err } = await bench.run(["diagnostics", "endpoints", "web.shop.svc.cluster.local:80", ...flags]);
  expect([code, err]).toEqual([0, ""]);
  expect(asked).toEqual(["web.shop.svc.cluster.local:80"]);
  expect(out).toBe(
    "NAMESPACE   IP         PORT   POD     SERVICE \n" +
      "shop        10.0.0.1   8080   web-1   web.shop\n" +
      "shop        10.0.0.3   8080   web-3   web.shop\n",
  );
});

test("endpoints of nothing says so, and is no failure", async () => {
  const { bench, flags } = await start(destination([]));
  const { code, out, err } = await bench.run(["dg", "ep", "none.shop.svc.cluster.local:80", ...flags]);
  expect([code, out, err]).toEqual([0, "", "No endpoints found.\n"]);
});

test("policy of a pod asks for its port, of a service for its authority", async () => {
  const asked: unknown[] = [];
  const { bench, flags } = await start(
    unary("/io.linkerd.proxy.inbound.InboundServerPolicies/GetPort", PortSpec, Server, (request) => {
      asked.push(request);
      return { ...Server.decode(new Uint8Array()), labels: { kind: "default" } };
    }),
    unary("/io.linkerd.proxy.outbound.OutboundPolicies/Get", TrafficSpec, OutboundPolicy, (request) => {
      asked.push(request.target);
      return OutboundPolicy.decode(new Uint8Array());
    }),
  );
  const inbound = await bench.run(["diagnostics", "policy", "-n", "shop", "po/web-1", "8080", ...flags]);
  expect([inbound.code, inbound.err]).toEqual([0, ""]);
  expect(parseYamlAll(inbound.out)).toEqual([expect.objectContaining({ labels: { kind: "default" } })]);
  expect((await bench.run(["diagnostics", "policy", "svc/web", "80", "-o", "json", ...flags])).code).toBe(0);
  expect(asked).toEqual([
    { workload: "shop:web-1", port: 8080 },
    { $case: "authority", value: "web.shop.svc.cluster.local:80" },
  ]);
});

test("profile prints the first answer for an address", async () => {
  const { bench, flags } = await start(
    serverStream("/io.linkerd.proxy.destination.Destination/GetProfile", GetDestination, (request, stream) => {
      const answer = { ...DestinationProfile.decode(new Uint8Array()), fullyQualifiedName: `of ${request.path}` };
      stream.send(frameMessage(DestinationProfile.encode(answer).finish()));
    }),
  );
  const { code, out, err } = await bench.run(["diagnostics", "profile", "10.0.0.1:80", ...flags]);
  expect([code, err]).toEqual([0, ""]);
  expect(JSON.parse(out)).toMatchObject({ fullyQualifiedName: "of 10.0.0.1:80" });
});

test("a control plane that refuses is quoted", async () => {
  const { bench, flags } = await start();
  const { code, err } = await bench.run(["diagnostics", "profile", "10.0.0.1:80", ...flags]);
  expect(code).toBe(1);
  expect(err).toContain("Error: Destination API error: ");
});

test("policy refuses other kinds, bad ports and bad formats", async () => {
  const { bench, flags } = await start();
  const refuse = async (args: string[], message: string) => {
    const { code, err } = await bench.run(["diagnostics", "policy", ...args, ...flags]);
    expect(code).toBe(1);
    expect(err).toContain(message);
  };
  await refuse(["deploy/web", "80"], "must be one of Pod or Service");
  await refuse(["po/web", "http"], 'Cannot use port "http"');
  await refuse(["po/web", "80", "-o", "xml"], "output must be one of: yaml, json");
  await refuse(["po", "80"], "resource type and name are required");
});

test("metrics of a resource without meshed pods, or that is not there, say what to look for", async () => {
  const { bench } = await start();
  expect((await bench.run(["diagnostics", "proxy-metrics", "po/web"])).err).toContain('pods "web" not found');
  expect((await bench.run(["diagnostics", "proxy-metrics", "svc/web"])).err).toContain(
    "give a pod or one of deployment",
  );
  expect((await bench.run(["diagnostics", "controller-metrics"])).err).toContain("no control-plane pods found");
  expect((await bench.run(["diagnostics", "endpoints", "x:80", "--api-addr", "nowhere"])).err).toContain(
    "wanted host:port",
  );
});

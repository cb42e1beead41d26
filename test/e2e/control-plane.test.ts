/** Identity and destination against the playground's API server: real tokens, real watches, our client and our server apart. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDestination } from "#controlplane/destination";
import { startIdentity } from "#controlplane/identity";
import {
  CONFIG_MAPS,
  ENDPOINT_SLICES,
  Informer,
  KubeClient,
  LeaseElector,
  NAMESPACES,
  PODS,
  resourcePath,
  SERVICE_ACCOUNTS,
  SERVICES,
} from "#kube";
import { silentLog } from "#lib/log";
import { GrpcClient, type GrpcError } from "#net/grpc-client";
import { DestinationProfile, GetDestination, Update } from "#proto/destination";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import { createRootCa, parseCertificate } from "#x509";
import { createCsr, generateCsrKeys } from "#x509/csr";
import { PortSet } from "../../src/controlplane/destination/port-set.ts";
import { startApiServer } from "../../src/playground/api/server.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const ANYWHERE = { host: "127.0.0.1", port: 0 };

async function startCluster(): Promise<KubeClient> {
  const api = await startApiServer({ listen: [ANYWHERE] });
  closers.push(() => api.close());
  const client = KubeClient.fromKubeconfig({ text: api.kubeconfig() });
  for (const name of ["shop", "linkerd"]) await client.create(NAMESPACES, { metadata: { name } });
  return client;
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 4_000;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error("The condition did not become true within 4 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function connect(port: number): GrpcClient {
  const client = new GrpcClient({ host: "127.0.0.1", port });
  closers.push(() => client.close());
  return client;
}

test("the client reads, writes, patches and follows a real API server with a client certificate", async () => {
  const client = await startCluster();
  const seen: string[] = [];
  const informer = new Informer({ client, type: CONFIG_MAPS, namespace: "shop", labelSelector: "app=web" });
  informer.onChange(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
  closers.push(() => informer.stop());
  await informer.start().synced;
  const metadata = { name: "a", namespace: "shop", labels: { app: "web" } };
  const made = await client.create(CONFIG_MAPS, { metadata, data: { x: "1" } });
  await client.create(CONFIG_MAPS, { metadata: { name: "other", namespace: "shop" } });
  await client.update(CONFIG_MAPS, { ...made, data: { x: "2" } });
  await expect(client.update(CONFIG_MAPS, made)).rejects.toMatchObject({ status: 409, reason: "Conflict" });
  const applied = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { y: "3" } };
  const options = { namespace: "shop", fieldManager: "test", force: true };
  const merged = await client.patch(CONFIG_MAPS, "a", "apply", applied, options);
  expect(merged).toMatchObject({ data: { x: "2", y: "3" } });
  expect(await client.delete(CONFIG_MAPS, "a", "shop")).toBe(true);
  expect(await client.get(CONFIG_MAPS, "a", "shop")).toBeUndefined();
  await until(() => seen.includes("deleted a"));
  expect(seen).toEqual(["added a", "modified a", "modified a", "deleted a"]);
});

test("a lease on a real API server has one holder", async () => {
  const client = await startCluster();
  const claim = (identity: string) =>
    new LeaseElector({ client, namespace: "linkerd", name: "writer", identity, durationMs: 30_000 }).start();
  const a = claim("a");
  closers.push(() => a.stop());
  await until(() => a.isLeader);
  const b = claim("b");
  await b.stop();
  expect([a.isLeader, b.isLeader]).toEqual([true, false]);
});

test("identity certifies the bearer of a ServiceAccount's token and nobody else", async () => {
  const client = await startCluster();
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: "web", namespace: "shop" } });
  const directory = mkdtempSync(join(tmpdir(), "identity-"));
  closers.push(() => rmSync(directory, { recursive: true }));
  const root = await createRootCa({ name: "root", lifetimeMs: 3_600_000, nowMs: Date.now() });
  const path = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const identity = await startIdentity(
    {
      listen: ANYWHERE,
      admin: ANYWHERE,
      domain: { controlPlaneNs: "linkerd", trustDomain: "cluster.local" },
      lifetimeMs: 86_400_000,
      skewMs: 20_000,
      files: {
        issuerCertPath: path("crt.pem", root.certPem),
        issuerKeyPath: path("key.pem", root.keyPem),
        trustRootsPath: path("ca.crt", root.certPem),
      },
    },
    { client, log: silentLog },
  );
  closers.push(() => identity.stop());
  const token = async (audience: string) => {
    const asked = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { audiences: [audience] } };
    const where = resourcePath(SERVICE_ACCOUNTS, { namespace: "shop", name: "web", subresource: "token" });
    return JSON.parse(await client.raw(where, { method: "POST", body: asked })).status.token as string;
  };
  const keys = await generateCsrKeys();
  const certify = async (name: string, bearer: string) =>
    connect(identity.port).unary("/io.linkerd.proxy.identity.Identity/Certify", CertifyRequest, CertifyResponse, {
      identity: name,
      token: new TextEncoder().encode(bearer),
      certificateSigningRequest: await createCsr(name, keys),
    });
  const web = "web.shop.serviceaccount.identity.linkerd.cluster.local";
  const good = await certify(web, await token("identity.l5d.io"));
  expect(parseCertificate(good.leafCertificate).dnsNames).toEqual([web]);
  const code = (answer: Promise<unknown>) =>
    answer.then(
      () => 0,
      (error: GrpcError) => error.code,
    );
  expect(await code(certify(web, await token("other")))).toBe(3);
  expect(await code(certify(web.replace("web", "db"), await token("identity.l5d.io")))).toBe(9);
  expect(await code(certify(web, "not a token"))).toBe(3);
});

test("destination follows Services, slices and pods of a real API server", async () => {
  const client = await startCluster();
  const metadata = { name: "web", namespace: "shop" };
  const labels = { app: "web", "linkerd.io/control-plane-ns": "linkerd" };
  const image = "example/web";
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: "web", namespace: "shop" } });
  const pod = await client.create(PODS, {
    metadata: { name: "web-1", namespace: "shop", labels },
    spec: {
      serviceAccountName: "web",
      containers: [
        { name: "linkerd-proxy", image },
        { name: "app", image, ports: [{ containerPort: 8080 }] },
      ],
    },
  });
  await client.updateStatus(PODS, {
    ...pod,
    status: { phase: "Running", podIP: "10.244.0.9", podIPs: [{ ip: "10.244.0.9" }] },
  });
  const service = await client.create(SERVICES, { metadata, spec: { ports: [{ port: 80, targetPort: 8080 }] } });
  const destination = await startDestination(
    {
      listen: ANYWHERE,
      admin: ANYWHERE,
      streamQueueCapacity: 100,
      controlPlaneNs: "linkerd",
      trustDomain: "cluster.local",
      clusterDomain: "cluster.local",
      defaultOpaquePorts: PortSet.parse("25"),
      enableH2Upgrade: true,
      forceOpaqueTransport: true,
      enableIpv6: false,
      zoneWeights: false,
      http2ClientParams: undefined,
    },
    { client, log: silentLog },
  );
  closers.push(() => destination.stop());
  const grpc = connect(destination.port);
  const ask = (path: string) => ({ scheme: "", path, contextToken: "" });
  const get = "/io.linkerd.proxy.destination.Destination/Get";
  const updates = grpc.serverStream(get, GetDestination, Update, ask("web.shop.svc.cluster.local:80"));
  expect((await updates.next()).value?.update).toEqual({ $case: "noEndpoints", value: { exists: true } });
  await client.create(ENDPOINT_SLICES, {
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints: [
      {
        addresses: ["10.244.0.9"],
        conditions: { ready: true },
        targetRef: { kind: "Pod", name: "web-1", namespace: "shop" },
      },
    ],
  });
  const web = "web.shop.serviceaccount.identity.linkerd.cluster.local";
  const added = (await updates.next()).value?.update;
  expect(added).toMatchObject({
    $case: "add",
    value: { addrs: [{ addr: { port: 8080 }, tlsIdentity: { serverName: { name: web } } }] },
  });
  const profilePath = "/io.linkerd.proxy.destination.Destination/GetProfile";
  const byIp = ask(`${service.spec?.clusterIP}:80`);
  const profile = await grpc.serverStream(profilePath, GetDestination, DestinationProfile, byIp).next();
  expect(profile.value?.fullyQualifiedName).toBe("web.shop.svc.cluster.local");
  await client.delete(ENDPOINT_SLICES, "web", "shop");
  expect((await updates.next()).value?.update?.$case).toBe("remove");
  expect((await updates.next()).value?.update?.$case).toBe("noEndpoints");
  await updates.return(undefined);
});

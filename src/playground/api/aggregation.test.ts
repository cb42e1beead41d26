import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import type { KubeObject } from "../store/object.ts";
import { CertificateAuthority } from "./certificate.ts";
import { type ApiServer, startApiServer } from "./server.ts";

let api: ApiServer;
let extension: Server;
let seen: { path: string; headers: Record<string, unknown>; proxyName: string | undefined; body: string }[] = [];
let url: string;
let token: string;

beforeAll(async () => {
  api = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }] });
  url = `https://127.0.0.1:${(api.addresses[0] as { port: number }).port}`;
  const client = api.client("test");
  const ca = new CertificateAuthority("ext", Date.now(), 3_600_000);
  const pair = ca.issue({ commonName: "ext", dnsNames: ["ext.default.svc"], nowMs: Date.now(), lifetimeMs: 3_600_000 });
  const trust = client.get("configmaps", "kube-system", "extension-apiserver-authentication")!["data"] as Record<
    string,
    string
  >;
  const options = {
    cert: pair.certPem,
    key: pair.keyPem,
    ca: trust["requestheader-client-ca-file"]!,
    requestCert: true,
    rejectUnauthorized: true,
  };
  extension = createServer(options, (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const socket = request.socket as TLSSocket;
      seen.push({
        path: request.url!,
        headers: request.headers,
        proxyName: socket.getPeerCertificate?.()?.subject?.CN as string | undefined,
        body,
      });
      if (request.url === "/apis/ext.example.com/v1")
        return response.end(
          JSON.stringify({
            kind: "APIResourceList",
            groupVersion: "ext.example.com/v1",
            resources: [{ name: "things", namespaced: true, kind: "Thing", verbs: ["get", "list"] }],
          }),
        );
      response.write("first ");
      response.end("last");
    });
  });
  await new Promise<void>((resolve) => extension.listen(0, "127.0.0.1", resolve));
  const { port } = extension.address() as { port: number };
  await client.create("services", {
    metadata: { name: "ext", namespace: "default" },
    spec: { ports: [{ port: 443, name: "https" }] },
  });
  await client.create("endpointslices.discovery.k8s.io", {
    metadata: { name: "ext", namespace: "default", labels: { "kubernetes.io/service-name": "ext" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"] }],
    ports: [{ name: "https", port }],
  });
  await client.create("serviceaccounts", { metadata: { name: "user", namespace: "default" } });
  token = api.tokens.issue({ namespace: "default", serviceAccount: "user" }).token;
  const available = new Promise<void>((resolve) => {
    const stop = client.watch("apiservices.apiregistration.k8s.io", {}, ({ object }) => {
      if (!isAvailable(object)) return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
  const caBundle = Buffer.from(ca.certPem).toString("base64");
  await client.create("apiservices.apiregistration.k8s.io", {
    metadata: { name: "v1.ext.example.com" },
    spec: {
      group: "ext.example.com",
      version: "v1",
      service: { namespace: "default", name: "ext", port: 443 },
      caBundle,
      groupPriorityMinimum: 1000,
      versionPriority: 100,
    },
  });
  await available;
});
afterAll(async () => {
  extension.close();
  await api.close();
});

function isAvailable(object: KubeObject): boolean {
  const { conditions = [] } = (object["status"] ?? {}) as { conditions?: { type: string; status: string }[] };
  return conditions.some((condition) => condition.type === "Available" && condition.status === "True");
}

const ask = (path: string, init: RequestInit = {}) =>
  fetch(url + path, {
    ...init,
    headers: { authorization: `Bearer ${token}`, "x-remote-user": "system:admin", ...init.headers },
    tls: { ca: api.caPem },
  } as RequestInit);

test("an extension's group is in discovery once it answers", async () => {
  const list = (await (await ask("/apis")).json()) as { groups: { name: string }[] };
  expect(list.groups.map((group) => group.name)).toContain("ext.example.com");
});

test("requests without a role are refused before they reach the extension", async () => {
  seen = [];
  expect((await ask("/apis/ext.example.com/v1/namespaces/default/things")).status).toBe(403);
  expect(seen).toEqual([]);
});

test("a request arrives with the caller's name and without the caller's credentials or claims", async () => {
  await api.client("test").create("clusterrolebindings.rbac.authorization.k8s.io", {
    metadata: { name: "user" },
    roleRef: { kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: "user", namespace: "default" }],
  });
  seen = [];
  const answer = await ask("/apis/ext.example.com/v1/namespaces/default/things?x=1", { method: "POST", body: "hello" });
  expect([answer.status, await answer.text()]).toEqual([200, "first last"]);
  const [request] = seen;
  expect([request!.path, request!.body]).toEqual(["/apis/ext.example.com/v1/namespaces/default/things?x=1", "hello"]);
  expect(request!.headers["x-remote-user"]).toBe("system:serviceaccount:default:user");
  expect(String(request!.headers["x-remote-group"]).split(/, ?/)).toEqual([
    "system:serviceaccounts",
    "system:serviceaccounts:default",
    "system:authenticated",
  ]);
  expect(request!.headers["authorization"]).toBeUndefined();
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:tls";
import { type ApiServer, startApiServer } from "./server.ts";

let api: ApiServer;
let url: string;
let admin: Record<string, string>;

beforeAll(async () => {
  api = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }] });
  url = `https://127.0.0.1:${(api.addresses[0] as { port: number }).port}`;
  const config = api.kubeconfig();
  const field = (name: string) => Buffer.from(new RegExp(`${name}: (\\S+)`).exec(config)![1]!, "base64").toString();
  admin = { ca: api.caPem, cert: field("client-certificate-data"), key: field("client-key-data") };
});
afterAll(() => api.close());

const ask = (path: string, init: RequestInit = {}) => fetch(url + path, { ...init, tls: admin } as RequestInit);
const post = (path: string, body: string | Uint8Array, type = "application/json") =>
  ask(path, { method: "POST", body, headers: { "content-type": type } });

async function statusOf(response: Response): Promise<[number, string]> {
  const body = (await response.json()) as { kind: string; reason: string } | null;
  return [response.status, body?.kind === "Status" ? body.reason : `${body?.kind} is no Status`];
}

test("the certificate names every way in", async () => {
  expect((await fetch(`${url}/healthz`, { tls: { ca: api.caPem } } as RequestInit)).status).toBe(200);
  const { port } = api.addresses[0] as { port: number };
  const names = await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: api.caPem, servername: "kubernetes.default.svc" }, () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? "");
      socket.destroy();
    });
    socket.on("error", reject);
  });
  for (const name of ["DNS:localhost", "DNS:kubernetes.default.svc", "IP Address:10.96.0.1", "IP Address:127.0.0.1"])
    expect(names).toContain(name);
});

test("without credentials only probes and the version answer", async () => {
  const bare = (path: string) => fetch(url + path, { tls: { ca: api.caPem } } as RequestInit);
  for (const path of ["/healthz", "/livez", "/readyz", "/version"]) expect((await bare(path)).status).toBe(200);
  for (const path of ["/api", "/api/v1/pods", "/openapi/v3", "/metrics"])
    expect(await statusOf(await bare(path))).toEqual([401, "Unauthorized"]);
});

test("malformed requests get a Status that says what was wanted, and the server lives on", async () => {
  const cases: [Promise<Response>, number, string][] = [
    [post("/api/v1/namespaces", "{"), 400, "BadRequest"],
    [post("/api/v1/namespaces", "[]"), 400, "BadRequest"],
    [post("/api/v1/namespaces", "null"), 400, "BadRequest"],
    [post("/api/v1/namespaces", ""), 400, "BadRequest"],
    [post("/api/v1/namespaces", "a: [", "application/yaml"), 400, "BadRequest"],
    [post("/api/v1/namespaces", "x", "text/html"), 415, "UnsupportedMediaType"],
    [
      post(
        "/api/v1/namespaces",
        new Uint8Array([0x6b, 0x38, 0x73, 0, 0xff, 0xff]),
        "application/vnd.kubernetes.protobuf",
      ),
      400,
      "BadRequest",
    ],
    [post("/api/v1/namespaces", '{"metadata":[]}'), 422, "Invalid"],
    [post("/api/v1/namespaces", '{"metadata":{"name":{"a":1}}}'), 400, "BadRequest"],
    [post("/api/v1/namespaces", '{"metadata":{"name":"a","labels":{"x":{}}}}'), 400, "BadRequest"],
    [post("/api/v1/namespaces/default/configmaps?dryRun=Some", "{}"), 400, "BadRequest"],
    [post("/api/v1/namespaces/default/configmaps?fieldValidation=Odd", "{}"), 400, "BadRequest"],
    [ask("/api/v1/namespaces?labelSelector=%3D%3D"), 400, "BadRequest"],
    [ask("/api/v1/namespaces?fieldSelector=x"), 400, "BadRequest"],
    [ask("/api/v1/namespaces?limit=1&continue=zzz"), 400, "BadRequest"],
    [ask("/api/v1/namespaces?watch=true&resourceVersion=abc"), 400, "BadRequest"],
    [ask("/api/v1/namespaces/%zz"), 400, "BadRequest"],
    [ask("/api/v1/nothings"), 404, "NotFound"],
    [ask("/apis/no.such.group/v1/x"), 404, "NotFound"],
    [
      ask("/api/v1/namespaces/default", { method: "PATCH", body: "{}", headers: { "content-type": "text/plain" } }),
      415,
      "UnsupportedMediaType",
    ],
    [ask("/api/v1/namespaces/default", { method: "PUT", body: '{"metadata":{"name":"other"}}' }), 400, "BadRequest"],
    [
      ask("/api/v1/namespaces/default", {
        method: "PUT",
        body: '{"metadata":{"name":"default","resourceVersion":"1"}}',
      }),
      409,
      "Conflict",
    ],
    [ask("/api/v1/namespaces/nope", { method: "DELETE" }), 404, "NotFound"],
    [ask("/api/v1/namespaces/default", { method: "DELETE", body: '{"preconditions":{"uid":"x"}}' }), 409, "Conflict"],
  ];
  for (const [index, [response, code, reason]] of cases.entries())
    expect([index, ...(await statusOf(await response))]).toEqual([index, code, reason]);
  expect((await ask("/readyz")).status).toBe(200);
});

test("bodies over 3 MB are refused", async () => {
  const big = JSON.stringify({ metadata: { name: "big" }, data: { a: "x".repeat(3_200_000) } });
  expect(await statusOf(await post("/api/v1/namespaces/default/configmaps", big))).toEqual([
    413,
    "RequestEntityTooLarge",
  ]);
});

test("a watch from a forgotten revision says so in its first event", async () => {
  const client = api.client("test");
  for (let i = 0; i < 9_000; i++)
    api.store.create("leases.coordination.k8s.io", { metadata: { name: `l${i}`, namespace: "default" } });
  const response = await ask("/api/v1/namespaces?watch=true&resourceVersion=3");
  const [line] = (await response.text()).trim().split("\n");
  expect(JSON.parse(line!)).toMatchObject({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } });
  expect(client.list("namespaces").length).toBe(4);
});

test("sendInitialEvents lists as events and marks their end", async () => {
  const query =
    "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
  const response = await ask(`/api/v1/namespaces?${query}`);
  const events = (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.map((event) => event.type).slice(0, 5)).toEqual(["ADDED", "ADDED", "ADDED", "ADDED", "BOOKMARK"]);
  expect(events[4].object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
});

test("TokenReview answers with the audiences that match, and not for others", async () => {
  await api.client("test").create("serviceaccounts", { metadata: { name: "sa", namespace: "default" } });
  const { token } = api.tokens.issue({ namespace: "default", serviceAccount: "sa", audiences: ["identity.l5d.io"] });
  const review = async (spec: object) =>
    (await (await post("/apis/authentication.k8s.io/v1/tokenreviews", JSON.stringify({ spec }))).json()) as {
      status: Record<string, unknown>;
    };
  expect((await review({ token, audiences: ["identity.l5d.io", "other"] })).status).toMatchObject({
    authenticated: true,
    audiences: ["identity.l5d.io"],
    user: { username: "system:serviceaccount:default:sa" },
  });
  expect((await review({ token })).status).toMatchObject({ authenticated: false });
  expect((await review({ token: "garbage" })).status).toMatchObject({ authenticated: false });
});

import "reflect-metadata";
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import * as x509 from "@peculiar/x509";
import { KubeClient } from "#kube";
import { type Clock, systemClock } from "#lib/clock";
import { silentLog } from "#lib/log";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import { type CertifiedKey, createRootCa, issueIntermediateCa, parseCertificate, verifyChain } from "#x509";
import { type Kept, KubeApi } from "../../../test/support/kube-api.ts";
import { startIdentity } from "./program.ts";

const DAY_MS = 86_400_000;
const WEB = "web.shop.serviceaccount.identity.linkerd.cluster.local";
const CERTIFY = "/io.linkerd.proxy.identity.Identity/Certify";
const USERS: Record<string, string> = {
  "web-token": "system:serviceaccount:shop:web",
  "db-token": "system:serviceaccount:shop:db",
  "user-token": "jane@example.com",
  "dotted-token": "system:serviceaccount:shop:web.shop",
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** An API server that knows the tokens above. */
async function startApi(): Promise<KubeApi> {
  const api = await KubeApi.start();
  closers.push(() => api.stop());
  api.onPost("selfsubjectaccessreviews", (body) => ({ ...body, status: { allowed: true } }));
  api.onPost("tokenreviews", (body): Kept => {
    const { token, audiences } = body["spec"] as { token: string; audiences?: string[] };
    const username = USERS[token];
    return {
      ...body,
      status: username ? { authenticated: true, user: { username }, audiences } : { authenticated: false },
    };
  });
  return api;
}

interface Files {
  write(issuer: CertifiedKey, roots: string): void;
  readonly paths: { issuerCertPath: string; issuerKeyPath: string; trustRootsPath: string };
}

function files(): Files {
  const directory = mkdtempSync(join(tmpdir(), "identity-"));
  closers.push(() => rmSync(directory, { recursive: true }));
  const paths = {
    issuerCertPath: join(directory, "crt.pem"),
    issuerKeyPath: join(directory, "key.pem"),
    trustRootsPath: join(directory, "ca-bundle.crt"),
  };
  return {
    paths,
    write(issuer, roots) {
      writeFileSync(paths.issuerCertPath, issuer.certPem);
      writeFileSync(paths.issuerKeyPath, issuer.keyPem);
      writeFileSync(paths.trustRootsPath, roots);
    },
  };
}

const authority = (name: string) => createRootCa({ name, lifetimeMs: 365 * DAY_MS, nowMs: Date.now() });

async function start(options: { clock?: Clock } = {}) {
  const api = await startApi();
  const root = await authority("root");
  const issuer = await issueIntermediateCa(root, { name: "issuer", lifetimeMs: 30 * DAY_MS, nowMs: Date.now() });
  const material = files();
  material.write(issuer, root.certPem);
  const identity = await startIdentity(
    {
      listen: { host: "127.0.0.1", port: 0 },
      admin: { host: "127.0.0.1", port: 0 },
      domain: { controlPlaneNs: "linkerd", trustDomain: "cluster.local" },
      lifetimeMs: DAY_MS,
      skewMs: 20_000,
      files: material.paths,
    },
    { client: new KubeClient(api.cluster), log: silentLog, clock: options.clock },
  );
  closers.push(() => identity.stop());
  const client = new grpc.Client(`127.0.0.1:${identity.port}`, grpc.credentials.createInsecure());
  closers.push(() => client.close());
  return { api, root, issuer, material, identity, certify: (request: CertifyRequest) => certify(client, request) };
}

function certify(client: grpc.Client, request: CertifyRequest): Promise<CertifyResponse> {
  const encode = (message: CertifyRequest) => Buffer.from(CertifyRequest.encode(message).finish());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      CERTIFY,
      encode,
      CertifyResponse.decode,
      request,
      new grpc.Metadata(),
      { deadline: Date.now() + 5_000 },
      (error, answer) => (error ? reject(error) : resolve(answer!)),
    );
  });
}

async function csr(names: x509.JsonGeneralNames, subject = ""): Promise<Uint8Array> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const extensions = [new x509.SubjectAlternativeNameExtension(names)];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  return new Uint8Array(request.rawData);
}

async function request(changes: Partial<CertifyRequest> & { token?: Uint8Array } = {}): Promise<CertifyRequest> {
  return {
    identity: WEB,
    token: new TextEncoder().encode("web-token"),
    certificateSigningRequest: await csr([{ type: "dns", value: WEB }]),
    ...changes,
  };
}

const token = (text: string) => ({ token: new TextEncoder().encode(text) });
const codeOf = (answer: Promise<unknown>) =>
  answer.then(
    () => "OK",
    (error: grpc.ServiceError) => `${grpc.status[error.code]} ${error.details}`,
  );

test("a proxy with a good token gets a certificate for its name that leads to the root", async () => {
  const { root, issuer, certify, api } = await start();
  const beforeMs = Date.now();
  const answer = await certify(await request());
  const leaf = parseCertificate(answer.leafCertificate);
  const intermediates = answer.intermediateCertificates.map(parseCertificate);
  expect(leaf).toMatchObject({ dnsNames: [WEB], uris: [], isCa: false, keyKind: "P-256" });
  expect(intermediates[0]!.fingerprint).toBe(issuer.certificate.fingerprint);
  const roots = [root.certificate];
  expect(verifyChain({ certificate: leaf, intermediates, roots, nowMs: Date.now() }).path).toHaveLength(3);
  expect(Date.parse(answer.validUntil!)).toBe(leaf.notAfterMs);
  expect(Math.abs(leaf.notAfterMs - beforeMs - DAY_MS - 20_000)).toBeLessThan(5_000);
  expect(leaf.notBeforeMs).toBeLessThanOrEqual(beforeMs - 19_000);
  expect(api.calls).toContain("POST /apis/authentication.k8s.io/v1/tokenreviews");
});

test.each([
  ["no token", async () => request(token("")), "INVALID_ARGUMENT"],
  ["an unknown token", async () => request(token("forged")), "FAILED_PRECONDITION The token is not authenticated"],
  ["another account's token", async () => request(token("db-token")), "FAILED_PRECONDITION The token is that of"],
  ["a person's token", async () => request(token("user-token")), "INVALID_ARGUMENT"],
  ["an account whose name has dots", async () => request(token("dotted-token")), "INVALID_ARGUMENT"],
  ["no request", async () => request({ certificateSigningRequest: new Uint8Array(0) }), "INVALID_ARGUMENT"],
  [
    "a request for another name",
    async () => request({ certificateSigningRequest: await csr([{ type: "dns", value: WEB.replace("web", "db") }]) }),
    "FAILED_PRECONDITION",
  ],
  [
    "a request with a second name",
    async () =>
      request({
        certificateSigningRequest: await csr([
          { type: "dns", value: WEB },
          { type: "dns", value: "x" },
        ]),
      }),
    "FAILED_PRECONDITION",
  ],
  [
    "a request with a URI",
    async () =>
      request({
        certificateSigningRequest: await csr([
          { type: "dns", value: WEB },
          { type: "url", value: "spiffe://x/y" },
        ]),
      }),
    "FAILED_PRECONDITION",
  ],
  [
    "a request with another common name",
    async () => request({ certificateSigningRequest: await csr([{ type: "dns", value: WEB }], "CN=admin") }),
    "FAILED_PRECONDITION",
  ],
])("%s is refused", async (_, make, wanted) => {
  const { certify } = await start();
  expect(await codeOf(certify(await make()))).toStartWith(wanted);
});

test("a request whose signature is not its key's is refused", async () => {
  const { certify } = await start();
  const forged = await csr([{ type: "dns", value: WEB.replace("web.", "wex.") }]);
  const at = Buffer.from(forged).indexOf("wex.");
  forged[at + 2] = "b".charCodeAt(0);
  expect(await codeOf(certify(await request({ certificateSigningRequest: forged })))).toMatch(
    /^INVALID_ARGUMENT .*signature/,
  );
});

test("an API server that fails is reported without the token", async () => {
  const { api, certify } = await start();
  api.onPost("tokenreviews", () =>
    Response.json({ kind: "Status", reason: "Forbidden", message: "web-token" }, { status: 403 }),
  );
  const error = await codeOf(certify(await request()));
  expect(error).toBe("INTERNAL Cannot review the token: the API server said Forbidden");
});

test("a token meant for another audience is refused, however the API server says it", async () => {
  const { api, certify } = await start();
  const user = { username: USERS["web-token"]! };
  api.onPost("tokenreviews", (body) => ({ ...body, status: { authenticated: true, user, audiences: ["api"] } }));
  expect(await codeOf(certify(await request()))).toStartWith("FAILED_PRECONDITION The token is not meant");
  for (const audiences of [[], undefined]) {
    api.onPost("tokenreviews", (body) => ({ ...body, status: { authenticated: true, user, audiences } }));
    expect(await codeOf(certify(await request()))).toStartWith("FAILED_PRECONDITION The token is not meant");
  }
  api.onPost("tokenreviews", (body) => {
    const hasAudiences = (body["spec"] as { audiences?: string[] }).audiences !== undefined;
    return { ...body, status: hasAudiences ? { error: "token audiences are invalid" } : { authenticated: true, user } };
  });
  expect(await codeOf(certify(await request()))).toStartWith("INVALID_ARGUMENT");
});

test("a certificate does not outlive its issuer", async () => {
  const { root, material, identity, certify } = await start();
  const issuer = await issueIntermediateCa(root, { name: "short", lifetimeMs: 3_600_000, nowMs: Date.now() });
  material.write(issuer, root.certPem);
  await identity.checkFiles();
  const leaf = parseCertificate((await certify(await request())).leafCertificate);
  expect(leaf.notAfterMs).toBe(issuer.certificate.notAfterMs);
});

test("an issuer that expired while running refuses with the reason", async () => {
  let shiftMs = 0;
  const clock: Clock = { ...systemClock, wallMs: () => Date.now() + shiftMs };
  const { certify, api } = await start({ clock });
  expect(await codeOf(certify(await request()))).toBe("OK");
  shiftMs = 31 * DAY_MS;
  expect(await codeOf(certify(await request()))).toMatch(/^UNAVAILABLE The issuer cannot sign: "CN=issuer" expired at/);
  await until(() => api.calls.some((call) => call.includes("/namespaces/linkerd/events")));
});

test("a new issuer under overlapping roots is taken up, and one under foreign roots is not", async () => {
  const { root, material, identity, certify, api } = await start();
  const [next, foreign] = [await authority("next"), await authority("foreign")];
  const issuer = await issueIntermediateCa(next, { name: "issuer-2", lifetimeMs: DAY_MS, nowMs: Date.now() });
  material.write(issuer, root.certPem + next.certPem);
  await identity.checkFiles();
  const issuedBy = async () => parseCertificate((await certify(await request())).leafCertificate).issuer;
  expect(await issuedBy()).toBe("CN=issuer-2");
  material.write(foreign, root.certPem + next.certPem);
  await identity.checkFiles();
  expect(await issuedBy()).toBe("CN=issuer-2");
  await until(() => api.calls.filter((call) => call === "POST /api/v1/namespaces/linkerd/events").length === 2);
});

test("identity does not start with a foreign issuer, without rights or with an impossible trust domain", async () => {
  const api = await startApi();
  const [root, other] = [await authority("root"), await authority("other")];
  const material = files();
  material.write(root, other.certPem);
  const begin = (trustDomain: string) =>
    startIdentity(
      {
        listen: { host: "127.0.0.1", port: 0 },
        admin: { host: "127.0.0.1", port: 0 },
        domain: { controlPlaneNs: "linkerd", trustDomain },
        lifetimeMs: DAY_MS,
        skewMs: 0,
        files: material.paths,
      },
      { client: new KubeClient(api.cluster), log: silentLog },
    );
  await expect(begin("cluster.local")).rejects.toThrow("no trust root");
  await expect(begin("Not A Domain")).rejects.toThrow("Cannot use trust domain");
  api.onPost("selfsubjectaccessreviews", (body) => ({ ...body, status: { allowed: false } }));
  await expect(begin("cluster.local")).rejects.toThrow("may not create tokenreviews");
});

test("identity waits for an API server that is not there yet", async () => {
  const api = await startApi();
  const root = await authority("root");
  const material = files();
  material.write(root, root.certPem);
  let refusalsLeft = 3;
  api.onPost("selfsubjectaccessreviews", (body) => {
    if (refusalsLeft-- > 0) return new Response("not yet", { status: 503 });
    return { ...body, status: { allowed: true } };
  });
  const identity = await startIdentity(
    {
      listen: { host: "127.0.0.1", port: 0 },
      admin: { host: "127.0.0.1", port: 0 },
      domain: { controlPlaneNs: "linkerd", trustDomain: "cluster.local" },
      lifetimeMs: DAY_MS,
      skewMs: 0,
      files: material.paths,
    },
    { client: new KubeClient(api.cluster), log: silentLog },
  );
  closers.push(() => identity.stop());
  expect(refusalsLeft).toBe(-1);
});

test("admin answers, and shows how long the issuer lasts", async () => {
  const { identity } = await start();
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${identity.adminPort}${path}`);
    return [answer.status, await answer.text()] as const;
  };
  expect(await ask("/ping")).toEqual([200, "pong\n"]);
  expect(await ask("/ready")).toEqual([200, "ok\n"]);
  const ttl = /issuer_cert_ttl_seconds (\d+)/.exec((await ask("/metrics"))[1])?.[1];
  expect(Number(ttl)).toBeGreaterThan(29 * 86_400);
});

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 5_000;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error("The condition did not become true within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { silentLog } from "#lib/log";
import { writeServingCertificate } from "../../../test/support/serving-certificate.ts";
import type { AdmissionAnswer, AdmissionRequest } from "./admission.ts";
import { WebhookServer } from "./webhook-server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(review: (request: AdmissionRequest) => AdmissionAnswer | Promise<AdmissionAnswer>) {
  const directory = mkdtempSync(join(tmpdir(), "webhook-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const paths = { certPath: join(directory, "tls.crt"), keyPath: join(directory, "tls.key") };
  await writeServingCertificate(paths, "first");
  const server = await WebhookServer.start({ hostname: "127.0.0.1", port: 0, ...paths, review, log: silentLog });
  cleanups.push(() => server.close());
  const post = (body: string, path = "/"): Promise<Response> =>
    fetch(`https://127.0.0.1:${server.port}${path}`, { method: "POST", body, tls: { rejectUnauthorized: false } });
  return { server, post, paths };
}

interface Answer {
  readonly response: { readonly allowed: boolean };
}

const review = (request: Record<string, unknown>, apiVersion = "admission.k8s.io/v1"): string =>
  JSON.stringify({ apiVersion, kind: "AdmissionReview", request });

test("a patch travels as base64, in the version that was asked in", async () => {
  const patch = [{ op: "add", path: "/metadata/annotations", value: { note: "ü" } }];
  const { post } = await start(() => ({ isAllowed: true, patch, warnings: ["mind"] }));
  const answer = (await (await post(review({ uid: "u1" }, "admission.k8s.io/v1beta1"))).json()) as object;
  expect(answer).toEqual({
    apiVersion: "admission.k8s.io/v1beta1",
    kind: "AdmissionReview",
    response: {
      uid: "u1",
      allowed: true,
      patchType: "JSONPatch",
      patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
      warnings: ["mind"],
    },
  });
});

test("a refusal carries its reason", async () => {
  const { post } = await start(() => ({ isAllowed: false, message: "no", code: 400 }));
  const { response } = (await (await post(review({ uid: "u2" }))).json()) as { response: object };
  expect(response).toEqual({ uid: "u2", allowed: false, status: { status: "Failure", message: "no", code: 400 } });
});

test("a failure of ours is HTTP 500, so that the failure policy decides", async () => {
  const { post } = await start(() => Promise.reject(new Error("no values file")));
  const answer = await post(review({ uid: "u3" }));
  expect([answer.status, await answer.text()]).toEqual([500, "Cannot review: no values file\n"]);
});

const BAD: readonly (readonly [says: string, body: string, status: number, text: string])[] = [
  ["nothing", "", 200, ""],
  ["no JSON", "{", 400, "Cannot read AdmissionReview"],
  ["null", "null", 400, "it has no request"],
  ["no request", "{}", 400, "it has no request"],
  ["no uid", review({}), 400, "its request has no uid"],
  ["a number as uid", review({ uid: 7 }), 400, "its request has no uid"],
];

test.each(BAD)("a body of %s is answered without asking the reviewer", async (_says, body, status, text) => {
  let asked = 0;
  const { post } = await start(() => {
    asked++;
    return { isAllowed: true };
  });
  const answer = await post(body);
  expect([answer.status, asked]).toEqual([status, 0]);
  expect(await answer.text()).toContain(text);
});

test("other paths and methods are refused", async () => {
  const { post, server } = await start(() => ({ isAllowed: true }));
  expect((await post(review({ uid: "u" }), "/other")).status).toBe(404);
  const get = await fetch(`https://127.0.0.1:${server.port}/`, { tls: { rejectUnauthorized: false } });
  expect(get.status).toBe(405);
});

test("a body above the limit is refused unread", async () => {
  let asked = 0;
  const { post } = await start(() => {
    asked++;
    return { isAllowed: true };
  });
  const status = await post(" ".repeat(10 * 1024 * 1024 + 1)).then(
    (answer) => answer.status,
    () => "cut", // the server need not wait for the rest
  );
  expect([413, "cut"]).toContain(status);
  expect(asked).toBe(0);
});

function serverName(port: number, maxVersion?: "TLSv1.2"): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", () => resolve("refused"));
  });
}

test("TLS below 1.3 is refused", async () => {
  const { server } = await start(() => ({ isAllowed: true }));
  expect(await serverName(server.port)).toBe("first");
  expect(await serverName(server.port, "TLSv1.2")).toBe("refused");
});

test("a new certificate is served without losing a request under way", async () => {
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { server, post, paths } = await start(async () => {
    await held;
    return { isAllowed: true };
  });
  const { port } = server;
  const underWay = post(review({ uid: "u4" }));
  await writeServingCertificate(paths, "second");
  server.reload();
  expect(await serverName(port)).toBe("second");
  expect(server.port).toBe(port);
  release();
  expect(((await (await underWay).json()) as Answer).response.allowed).toBe(true);
});

test("a certificate that cannot be used leaves the old one in force", async () => {
  const { server, paths } = await start(() => ({ isAllowed: true }));
  await Bun.write(paths.certPath, "not a certificate");
  server.reload();
  expect(await serverName(server.port)).toBe("first");
});

test("without a certificate the server does not start, and says which file it wanted", async () => {
  const paths = { certPath: "/nowhere/tls.crt", keyPath: "/nowhere/tls.key" };
  const begin = () =>
    WebhookServer.start({
      hostname: "127.0.0.1",
      port: 0,
      ...paths,
      review: () => ({ isAllowed: true }),
      log: silentLog,
    });
  await expect(begin()).rejects.toThrow('no certificate at "/nowhere/tls.crt"');
});

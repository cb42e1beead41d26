import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { createLog } from "#lib/log";
import { seededRandom } from "#lib/random";
import { CertifyResponse } from "#proto/identity";
import type { GrpcSink } from "../control/channel.ts";
import { certify } from "./certify.ts";
import { type Certify, Identity, type IdentityDeps } from "./identity.ts";

/** A certify call whose service the test plays. */
function call() {
  const clock = new FakeClock();
  let sink: GrpcSink | undefined;
  let isClosed = false;
  const channel = {
    call: (_path: string, _request: Uint8Array, given: GrpcSink) => {
      sink = given;
      return { cancel() {} };
    },
    close: () => void (isClosed = true),
  };
  const answer = certify(() => channel, "web.shop", new Uint8Array(1), "token", clock).then(
    () => "certified",
    (cause: Error) => cause.message,
  );
  return { clock, answer, sink: sink!, isClosed: () => isClosed };
}

test("an identity service that takes the call and never answers is given up", async () => {
  const { clock, answer, isClosed } = call();
  clock.advance(30_000);
  expect(await answer).toBe("The identity service gave no answer in 30000 ms");
  expect(isClosed()).toBe(true);
});

test.each([
  ["bytes that are no message", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
  [
    "a certificate that is none",
    Buffer.from(
      CertifyResponse.encode({
        leafCertificate: new Uint8Array(3),
        intermediateCertificates: [],
        validUntil: undefined,
      }).finish(),
    ),
  ],
])("%s from the identity service is a failed attempt, not a mistake of ours", async (_what, bytes) => {
  const { answer, sink } = call();
  sink.message(bytes);
  sink.closed({ code: 0, message: "" });
  expect(await answer).toStartWith("Cannot read the identity service's answer: ");
});

function identityWith(deps: Partial<IdentityDeps>): Identity {
  return new Identity({
    config: { localName: "web.shop", trustRootsPem: "", minRefreshMs: 1, maxRefreshMs: 1000 } as never,
    loadKey: () => Promise.resolve({ keyPem: "", csr: new Uint8Array(1) }),
    certify: () => Promise.reject(new Error("no")),
    readToken: () => "token",
    clock: new FakeClock(),
    random: seededRandom(1),
    log: createLog({ level: "off", format: "plain", write() {}, wallMs: () => 0 } as never),
    observer: { refreshed() {}, failed() {} },
    ...deps,
  });
}

test("without a key it does not begin", async () => {
  const loadKey = () => Promise.reject(new Error("no key"));
  await expect(identityWith({ loadKey }).start()).rejects.toThrow("no key");
});

test("the request it asks with is the one that belongs to its key", async () => {
  const csr = Uint8Array.of(1, 2, 3);
  const asked: Uint8Array[] = [];
  const identity = identityWith({
    loadKey: async () => ({ keyPem: "key", csr }),
    certify: (request) => {
      asked.push(request);
      return Promise.reject(new Error("no"));
    },
  });
  await identity.start();
  expect(asked).toEqual([csr]);
  expect(identity.files).toEqual({ keyPem: "key", certPem: "", trustRootsPem: "" });
  identity.stop();
});

test("without a certificate it asks again at growing delays, and never gives up", async () => {
  const clock = new FakeClock();
  let count = 0;
  const refuse: Certify = () => {
    count++;
    return Promise.reject(new Error("no"));
  };
  const identity = identityWith({ certify: refuse, clock });
  await identity.start();
  for (let i = 0; i < 100; i++) {
    await Promise.resolve();
    await Promise.resolve();
    clock.advance(200);
  }
  expect(count).toBeGreaterThan(8); // 20 s, at most 2 s apart
  expect(count).toBeLessThan(20); // not every half second
  expect(identity.isReady).toBe(false);
  identity.stop();
});

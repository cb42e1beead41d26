import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ConnectionOptions, connect } from "node:tls";
import { systemClock } from "#lib/clock";
import {
  Authority,
  type CertifiedKey,
  createRootCa,
  generatePrivateKey,
  issueIntermediateCa,
  publicKeyDer,
  toPem,
} from "#x509";
import { dialTcp } from "./dial.ts";
import { listenTcp, type TcpListener } from "./tcp.ts";
import type { TlsFiles } from "./tls.ts";
import type { TlsPeer } from "./tls-identity.ts";

const HOUR_MS = 3_600_000;
const SERVER = "shop.ns.serviceaccount.identity.linkerd.cluster.local";
const CLIENT = "web.ns.serviceaccount.identity.linkerd.cluster.local";

let root: CertifiedKey;
let stranger: CertifiedKey;
let serverFiles: TlsFiles;
let listener: TcpListener;
/** What the server made of each handshake, in order. */
const seen: { failure: string | undefined; peer: TlsPeer }[] = [];

interface Leaf {
  readonly certPem: string;
  readonly keyPem: string;
}

interface LeafWish {
  readonly dnsNames?: readonly string[];
  readonly uris?: readonly string[];
  readonly commonName?: string;
  readonly fromMs?: number;
  readonly untilMs?: number;
}

async function leaf(ca: CertifiedKey, wish: LeafWish): Promise<Leaf> {
  const key = generatePrivateKey();
  const authority = await Authority.load(ca.certPem, ca.keyPem);
  const der = authority.issueLeaf({
    publicKeyDer: publicKeyDer(key),
    commonName: wish.commonName,
    dnsNames: wish.dnsNames ?? [],
    uris: wish.uris ?? [],
    notBeforeMs: Date.now() + (wish.fromMs ?? -HOUR_MS),
    notAfterMs: Date.now() + (wish.untilMs ?? HOUR_MS),
  });
  const chain = ca.certificate.isSelfIssued ? "" : ca.certPem;
  return { certPem: toPem(der, "CERTIFICATE") + chain, keyPem: key.export({ type: "pkcs8", format: "pem" }) as string };
}

const filesOf = ({ certPem, keyPem }: Leaf, trust = root): TlsFiles => ({
  certPem,
  keyPem,
  trustRootsPem: trust.certPem,
});

function serve(files: () => TlsFiles, alpn: readonly string[] = []): TcpListener {
  return listenTcp({
    hostname: "127.0.0.1",
    port: 0,
    accept: (transport) =>
      transport.startTlsServer(files(), alpn, (failure, peer) => {
        seen.push({ failure, peer });
        if (failure !== undefined) transport.terminate();
        else transport.write(Buffer.from("hello"), 0, 5);
      }),
  });
}

beforeAll(async () => {
  root = await createRootCa({ name: "root", lifetimeMs: 24 * HOUR_MS, nowMs: Date.now() - HOUR_MS });
  stranger = await createRootCa({ name: "root", lifetimeMs: 24 * HOUR_MS, nowMs: Date.now() - HOUR_MS });
  serverFiles = filesOf(await leaf(root, { dnsNames: [SERVER] }));
  listener = serve(() => serverFiles);
});

afterAll(() => listener.stop());

/** Connects as a foreign TLS client; resolves with what the server said, or how it ended. */
function dial(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({
      host: "127.0.0.1",
      port: listener.address.port,
      ca: root.certPem,
      servername: SERVER,
      checkServerIdentity: () => undefined,
      ...options,
    });
    socket.on("data", (chunk) => {
      text += chunk;
      socket.destroy();
    });
    socket.on("error", (cause) => void (text ||= `error ${(cause as NodeJS.ErrnoException).code}`));
    socket.on("close", () => resolve(text));
  });
}

async function asClient(
  who: Leaf | undefined,
): Promise<{ text: string; failure: string | undefined; id: string | undefined }> {
  const before = seen.length;
  const text = await dial(who ? { cert: who.certPem, key: who.keyPem } : {});
  while (seen.length === before) await new Promise((resolve) => setImmediate(resolve));
  const { failure, peer } = seen[before];
  return { text, failure, id: peer.id };
}

test("a client with a certificate of the roots is who it says; one without certificate is nobody", async () => {
  expect(await asClient(await leaf(root, { dnsNames: [CLIENT] }))).toMatchObject({ text: "hello", id: CLIENT });
  expect(await asClient(undefined)).toMatchObject({ text: "hello", failure: undefined, id: undefined });
});

test("a client behind an intermediate of the roots is trusted", async () => {
  const intermediate = await issueIntermediateCa(root, { name: "issuer", lifetimeMs: HOUR_MS, nowMs: Date.now() });
  expect(await asClient(await leaf(intermediate, { dnsNames: [CLIENT] }))).toMatchObject({ text: "hello", id: CLIENT });
});

test.each([
  ["of other roots with the same name", () => leaf(stranger, { dnsNames: [CLIENT] })],
  ["that has expired", () => leaf(root, { dnsNames: [CLIENT], untilMs: -60_000 })],
  ["that is not valid yet", () => leaf(root, { dnsNames: [CLIENT], fromMs: 600_000 })],
  [
    "issued by an expired intermediate",
    async () =>
      leaf(await issueIntermediateCa(root, { name: "old", lifetimeMs: HOUR_MS / 2, nowMs: Date.now() - HOUR_MS }), {
        dnsNames: [CLIENT],
      }),
  ],
  [
    "below an intermediate that may have no CA below it",
    async () => {
      const first = await issueIntermediateCa(root, {
        name: "first",
        lifetimeMs: HOUR_MS,
        nowMs: Date.now(),
        maxPathLength: 0,
      });
      const second = await issueIntermediateCa(first, { name: "second", lifetimeMs: HOUR_MS, nowMs: Date.now() });
      const issued = await leaf({ ...second, certPem: second.certPem }, { dnsNames: [CLIENT] });
      return issued;
    },
  ],
])("a client with a certificate %s is cut off without a byte", async (_what, make) => {
  const { text, failure, id } = await asClient(await make());
  expect(text).not.toContain("hello");
  expect(failure).toBeString();
  expect(id).toBeUndefined();
});

test("a name with a comma in it does not become two names", async () => {
  const who = await leaf(root, { uris: [`spiffe://x/a,DNS:${CLIENT}`] });
  const { id } = await asClient(who);
  expect(id).not.toBe(CLIENT);
  expect(seen.at(-1)?.peer.names).not.toContain(CLIENT);
});

test("TLS 1.2 is refused", async () => {
  expect(await dial({ maxVersion: "TLSv1.2" })).toStartWith("error ");
});

test("a session cannot be taken up again", async () => {
  const sessions: Buffer[] = [];
  await new Promise<void>((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port: listener.address.port,
      ca: root.certPem,
      servername: SERVER,
      checkServerIdentity: () => undefined,
    });
    socket.on("session", (session) => sessions.push(session));
    socket.on("data", () => socket.destroy()); // tickets come before the first data
    socket.on("error", () => {});
    socket.on("close", () => resolve());
  });
  const reused = await Promise.all(
    sessions.map(
      (session) =>
        new Promise<boolean>((resolve) => {
          const socket = connect(
            {
              host: "127.0.0.1",
              port: listener.address.port,
              ca: root.certPem,
              servername: SERVER,
              session,
              checkServerIdentity: () => undefined,
            },
            () => {
              resolve(socket.isSessionReused());
              socket.destroy();
            },
          );
          socket.on("error", () => resolve(false));
        }),
    ),
  );
  expect(reused.filter(Boolean)).toEqual([]);
});

/** Dials our own server as our own client; resolves with "connected" or the failure's kind. */
function ownDial(files: TlsFiles, expectedId: string, port: number): Promise<string> {
  return new Promise((resolve) =>
    dialTcp(
      {
        address: { ip: "127.0.0.1", port },
        timeoutMs: 5000,
        tls: { files, serverName: SERVER, expectedId, alpn: [] },
      },
      systemClock,
      {
        connected: (transport) => {
          transport.terminate();
          resolve("connected");
        },
        failed: (failure) => resolve(failure.kind),
      },
    ),
  );
}

test("our client accepts the expected name under its roots, and nothing else", async () => {
  const own = filesOf(await leaf(root, { dnsNames: [CLIENT] }));
  const cases: [string, LeafWish, CertifiedKey, string, string][] = [
    ["the name", { dnsNames: [SERVER] }, root, SERVER, "connected"],
    ["in other case", { dnsNames: [SERVER.toUpperCase()] }, root, SERVER, "connected"],
    ["a URI", { uris: ["spiffe://root/shop"] }, root, "spiffe://root/shop", "connected"],
    ["a URI of other roots", { uris: ["spiffe://root/shop"] }, stranger, "spiffe://root/shop", "tls"],
    ["an expired URI", { uris: ["spiffe://root/shop"], untilMs: -60_000 }, root, "spiffe://root/shop", "tls"],
    ["no name at all", { commonName: SERVER.slice(0, 60) }, root, SERVER, "tls"],
    ["another name", { dnsNames: ["other.ns"] }, root, SERVER, "tls"],
    ["a wildcard", { dnsNames: ["*.ns.serviceaccount.identity.linkerd.cluster.local"] }, root, SERVER, "tls"],
    ["only a common name", { commonName: "shop.ns", dnsNames: ["other.ns"] }, root, "shop.ns", "tls"],
    ["other roots", { dnsNames: [SERVER] }, stranger, SERVER, "tls"],
    ["expired", { dnsNames: [SERVER], untilMs: -60_000 }, root, SERVER, "tls"],
    ["not yet valid", { dnsNames: [SERVER], fromMs: 600_000 }, root, SERVER, "tls"],
  ];
  for (const [what, wish, ca, expectedId, outcome] of cases) {
    const server = filesOf(await leaf(ca, wish), root);
    const one = serve(() => server);
    expect(`${what}: ${await ownDial(own, expectedId, one.address.port)}`).toBe(`${what}: ${outcome}`);
    one.stop();
  }
});

test("the roots that hold are those of the moment of the handshake", async () => {
  const { certPem, keyPem } = await leaf(stranger, { dnsNames: [CLIENT] });
  let files = serverFiles;
  const before = listener;
  listener = serve(() => files);
  expect((await asClient({ certPem, keyPem })).failure).toBeString();
  files = { ...serverFiles, trustRootsPem: root.certPem + stranger.certPem };
  expect((await asClient({ certPem, keyPem })).id).toBe(CLIENT);
  files = serverFiles;
  expect((await asClient({ certPem, keyPem })).failure).toBeString();
  listener.stop();
  listener = before;
});

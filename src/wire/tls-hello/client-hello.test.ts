import { describe, expect, test } from "bun:test";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { type ClientHello, readClientHello } from "./client-hello.ts";

/** The first flight that a real TLS client sends. */
async function realHello(options: tls.ConnectionOptions): Promise<Uint8Array> {
  const written: Buffer[] = [];
  const duplex = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  const socket = tls.connect({ socket: duplex, rejectUnauthorized: false, ...options });
  socket.on("error", () => {}); // it is destroyed on purpose
  while (written.length === 0) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  return Buffer.concat(written);
}

const u8 = (n: number) => Buffer.from([n]);
const u16 = (n: number) => Buffer.from([n >> 8, n & 255]);
const vec8 = (data: Uint8Array) => Buffer.concat([u8(data.length), data]);
const vec16 = (data: Uint8Array) => Buffer.concat([u16(data.length), data]);
const extension = (type: number, data: Uint8Array) => Buffer.concat([u16(type), vec16(data)]);
const sniOf = (name: string, type = 0) =>
  extension(0, vec16(Buffer.concat([u8(type), vec16(Buffer.from(name, "latin1"))])));
const alpnOf = (...names: string[]) =>
  extension(16, vec16(Buffer.concat(names.map((name) => vec8(Buffer.from(name))))));

function hello(extensions: Uint8Array | null, change: (body: Buffer) => Buffer = (body) => body): Buffer {
  const body = change(
    Buffer.concat([
      u16(0x0303),
      Buffer.alloc(32, 7),
      vec8(Buffer.alloc(32, 8)),
      vec16(Buffer.from([0x13, 0x01])),
      vec8(u8(0)),
      ...(extensions ? [vec16(extensions)] : []),
    ]),
  );
  return Buffer.concat([Buffer.from([22, 3, 1]), vec16(Buffer.concat([Buffer.from([1, 0]), vec16(body)]))]);
}

/** The whole hello's reading, after making sure that every true prefix asks for more. */
function read(bytes: Uint8Array): ClientHello {
  for (let cut = 0; cut < bytes.length; cut++)
    expect(readClientHello(bytes.subarray(0, cut))).toEqual({ kind: "more" });
  return readClientHello(bytes);
}

const found = (sni: string | undefined, ...alpn: string[]): ClientHello => ({ kind: "hello", sni, alpn });

describe("hellos that are read", () => {
  test("a real client's, with SNI and ALPN", async () => {
    const bytes = await realHello({
      servername: "web.shop.serviceaccount.example",
      ALPNProtocols: ["transport.l5d.io/v1"],
    });
    expect(read(bytes)).toEqual(found("web.shop.serviceaccount.example", "transport.l5d.io/v1"));
  });
  test("a real client's, of TLS 1.2 and without either", async () => {
    expect(read(await realHello({ maxVersion: "TLSv1.2", servername: "" }))).toEqual(found(undefined));
  });
  test("one without extensions", () => expect(read(hello(null))).toEqual(found(undefined)));
  test("one with an empty list of extensions", () => expect(read(hello(Buffer.alloc(0)))).toEqual(found(undefined)));
  test("SNI is made lower-case", () => expect(read(hello(sniOf("Web.SHOP")))).toEqual(found("web.shop")));
  test("several ALPN names, in order", () => {
    expect(read(hello(Buffer.concat([alpnOf("h2", "http/1.1"), sniOf("a_b.c")])))).toEqual(
      found("a_b.c", "h2", "http/1.1"),
    );
  });
  test("unknown extensions are passed over", () => {
    expect(read(hello(Buffer.concat([extension(0xfafa, Buffer.alloc(100)), sniOf("a")])))).toEqual(found("a"));
  });
  test("record version 3.3", () => {
    const bytes = hello(sniOf("a"));
    bytes[2] = 3;
    expect(read(bytes)).toEqual(found("a"));
  });
  test("bytes behind the record do not matter", () => {
    expect(readClientHello(Buffer.concat([hello(sniOf("a")), Buffer.alloc(50, 0xff)]))).toEqual(found("a"));
  });
  test("one of 1.5 KB, as post-quantum key shares make them", () => {
    expect(read(hello(Buffer.concat([extension(51, Buffer.alloc(1300)), sniOf("a")])))).toEqual(found("a"));
  });
});

describe("what is no hello", () => {
  const other = (bytes: Uint8Array) => expect(readClientHello(bytes)).toEqual({ kind: "other" });
  const changed = (bytes: Buffer, at: number, value: number) => {
    bytes[at] = value;
    return bytes;
  };

  for (const [name, at, value] of [
    ["another record type", 0, 23],
    ["another major version", 1, 2],
    ["record version 3.2", 2, 2],
    ["record version 3.4", 2, 4],
    ["another handshake message", 5, 2],
    ["a hello beyond 64 KiB", 6, 1],
  ] as const) {
    test(`${name}, known at once`, () => other(changed(hello(sniOf("a")), at, value).subarray(0, at + 1)));
  }
  test("HTTP, known by its first byte", () => other(Buffer.from("G")));
  test("the HTTP/2 preface", () => other(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")));
  test("an SSLv2 hello", () => other(Buffer.from([0x80, 0x2e, 1, 3, 1])));
  test("a hello that goes on in another record", () => {
    const bytes = hello(sniOf("a"));
    other(changed(bytes, 4, bytes[4] - 5));
  });
  test("a record beyond 16 KiB", () => other(Buffer.from([22, 3, 1, 0x40, 0x05, 1, 0, 0x40, 0x01])));
  test("a session id longer than the hello", () => other(hello(null, (body) => changed(body, 34, 255))));
  test("cipher suites longer than the hello", () => other(hello(null, (body) => changed(body, 67, 255))));
  test("bytes behind the extensions", () => other(hello(sniOf("a"), (body) => Buffer.concat([body, u8(0)]))));
  test("half an extension", () => other(hello(sniOf("a").subarray(0, 7))));
  test("two of one extension", () => other(hello(Buffer.concat([sniOf("a"), sniOf("a")]))));
  test("two names in SNI", () => {
    const name = Buffer.concat([u8(0), vec16(Buffer.from("a"))]);
    other(hello(extension(0, vec16(Buffer.concat([name, name])))));
  });
  test("a name type that is no host", () => other(hello(sniOf("a", 1))));
  for (const name of [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a b",
    "a\0b",
    "caf\xe9",
    "a/b",
    "x".repeat(64),
    "ab.".repeat(90),
  ]) {
    test(`SNI ${JSON.stringify(name.slice(0, 12))}`, () => other(hello(sniOf(name))));
  }
  test("an empty ALPN list", () => other(hello(alpnOf())));
  test("an empty ALPN name", () => other(hello(alpnOf("h2", ""))));
  test("an ALPN name longer than its list", () => other(hello(extension(16, vec16(Buffer.from([5, 0x68, 0x32]))))));

  test("any one byte changed in a hello never throws and never reads beyond it", () => {
    const sound = hello(Buffer.concat([sniOf("a.b"), alpnOf("h2")]));
    for (let at = 0; at < sound.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const { kind } = readClientHello(changed(Buffer.from(sound), at, value));
        expect(["more", "other", "hello"]).toContain(kind);
      }
    }
  });
});

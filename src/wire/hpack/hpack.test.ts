import { expect, test } from "bun:test";
import fc from "fast-check";
import { Fields, HeaderLine, idOf, REMOVED } from "#fields";
import { HTTP_1_1, HTTP_2, RequestHead, ResponseHead } from "#message";
import { internedCounts } from "./entry.ts";
import { decodeHuffman } from "./huffman.ts";
import {
  fieldsBound,
  HeaderBlock,
  HpackDecoder,
  HpackEncoder,
  HUFFMAN_CODES,
  NEVER_INDEXED,
  requestBound,
} from "./index.ts";

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));

/** What one header block says, pseudo-fields first; null for COMPRESSION_ERROR. */
function list(decoder: HpackDecoder, block: HeaderBlock, hex: string): string[] | null {
  const bytes = bytesOf(hex);
  return decoder.decode(bytes, 0, bytes.length, block) ? linesOf(block) : null;
}

function linesOf(block: HeaderBlock): string[] {
  const { fields } = block;
  const lines = [];
  for (const name of ["method", "scheme", "path", "authority", "status"] as const) {
    if (block[name] !== "") lines.push(`:${name}: ${block[name]}`);
  }
  for (let index = 0; index < fields.count; index++) {
    if (fields.id(index) !== REMOVED) lines.push(`${fields.name(index)}: ${fields.value(index)}`);
  }
  return lines;
}

const REQUESTS = [
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
  [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
];
const DATE_21 = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const RESPONSES = [
  [":status: 302", "cache-control: private", DATE_21, "location: https://www.example.com"],
  [":status: 307", "cache-control: private", DATE_21, "location: https://www.example.com"],
  [
    ":status: 200",
    "cache-control: private",
    "date: Mon, 21 Oct 2013 20:13:22 GMT",
    "location: https://www.example.com",
    "content-encoding: gzip",
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
];

// RFC 7541 appendix C: three messages on one connection each; sizes of the table after each of them.
test.each([
  [
    "C.3 requests without Huffman",
    4096,
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    REQUESTS,
    [57, 110, 164],
  ],
  [
    "C.4 requests with Huffman",
    4096,
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
    REQUESTS,
    [57, 110, 164],
  ],
  [
    "C.5 responses without Huffman",
    256,
    [
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ],
    RESPONSES,
    [222, 222, 215],
  ],
  [
    "C.6 responses with Huffman",
    256,
    [
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ],
    RESPONSES,
    [222, 222, 215],
  ],
])("RFC 7541 %s", (_name, tableBytes, blocks, expected, sizes) => {
  const decoder = new HpackDecoder(tableBytes);
  const block = new HeaderBlock();
  for (const [index, hex] of blocks.entries()) {
    expect(list(decoder, block, hex)).toEqual(expected[index]);
    expect(block.malformed).toBe("");
    expect(decoder.tableBytes).toBe(sizes[index]);
  }
});

test("RFC 7541 C.2.2 and C.2.3: a literal without indexing and one never indexed leave the table alone", () => {
  const decoder = new HpackDecoder();
  const block = new HeaderBlock();
  expect(list(decoder, block, "040c 2f73 616d 706c 652f 7061 7468")).toEqual([":path: /sample/path"]);
  expect(list(decoder, block, "1008 7061 7373 776f 7264 0673 6563 7265 74")).toEqual(["password: secret"]);
  expect(block.fields.entries[0]).toBe(NEVER_INDEXED);
  expect(decoder.tableBytes).toBe(0);
});

test("every block cut short is an error or a shorter list, never a crash", () => {
  const whole = bytesOf("8287 8541 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf");
  const ends = new Set([1, 2, 3, 17, whole.length]); // where a field ends
  for (let end = 1; end <= whole.length; end++) {
    expect(new HpackDecoder().decode(whole, 0, end, new HeaderBlock())).toBe(ends.has(end));
  }
});

test.each([
  ["index 0", "80"],
  ["an index beyond both tables", "be"],
  ["a name index beyond both tables", "7f 20 01 61"],
  ["an integer that never ends", "ff ff ff ff ff ff ff ff 01"],
  ["a table size above what we allow", "3f e2 1f"],
  ["a table size update behind a field", "82 20"],
  ["Huffman padding of eight bits", "00 81 ff 01 61"],
  ["Huffman padding of zeros", "00 81 00 01 61"],
  ["the Huffman end-of-string symbol", "00 84 ff ff ff ff 01 61"],
  ["a text longer than the block", "00 05 61"],
])("%s is a compression error", (_what, hex) => {
  expect(list(new HpackDecoder(), new HeaderBlock(), hex)).toBeNull();
});

test("size updates at the beginning are taken, two of them as well", () => {
  const decoder = new HpackDecoder();
  expect(list(decoder, new HeaderBlock(), "20 3f e1 1f 82")).toEqual([":method: GET"]);
});

const literal = (name: string, value: string, first = 0) =>
  Buffer.concat([
    Buffer.from([first, name.length]),
    Buffer.from(name, "latin1"),
    Buffer.from([value.length]),
    Buffer.from(value, "latin1"),
  ]).toString("hex");

test.each([
  ["an upper-case name", literal("Name", "v")],
  ["an empty name", literal("", "v")],
  ["a space in a name", literal("na me", "v")],
  ["a colon in a name", literal("na:me", "v")],
  ["CR LF in a value", literal("name", "v\r\nx: y")],
  ["LF in a value", literal("name", "v\nx")],
  ["NUL in a value", literal("name", "v\0")],
  ["a space before a value", literal("name", " v")],
  ["a tab behind a value", literal("name", "v\t")],
  ["an unknown pseudo-field", literal(":unknown", "v")],
  ["a pseudo-field twice", "82 82"],
  ["a pseudo-field behind a field", `${literal("name", "v")} 82`],
  ["connection", literal("connection", "close")],
  ["transfer-encoding", literal("transfer-encoding", "chunked")],
  ["upgrade", literal("upgrade", "h2c")],
  ["keep-alive", literal("keep-alive", "1")],
  ["proxy-connection", literal("proxy-connection", "close")],
  ["te other than trailers", literal("te", "gzip")],
  ["a content-length with a sign", literal("content-length", "+1")],
  ["an empty content-length", literal("content-length", "")],
  ["a content-length beyond counting", literal("content-length", "99999999999999999999")],
  ["two content-lengths", literal("content-length", "1") + literal("content-length", "2")],
  ["two hosts", literal("host", "a") + literal("host", "a")],
])("%s makes the message malformed, and the table goes on", (_what, hex) => {
  for (const first of hex.startsWith("00") ? ["00", "10", "40"] : [hex.slice(0, 2)]) {
    const decoder = new HpackDecoder();
    const block = new HeaderBlock();
    expect(list(decoder, block, first + hex.slice(2))).not.toBeNull();
    expect(block.malformed).not.toBe("");
    expect(list(decoder, block, "82")).toEqual([":method: GET"]);
    expect(block.malformed).toBe("");
  }
});

test("a malformed field that was indexed stays malformed when its index is used", () => {
  const decoder = new HpackDecoder();
  const block = new HeaderBlock();
  list(decoder, block, literal("name", "v\r\nx: y", 0x40));
  list(decoder, block, "be");
  expect(block.malformed).not.toBe("");
});

test("cookie crumbs become one field", () => {
  const block = new HeaderBlock();
  const hex = literal("cookie", "a=1") + literal("x", "y") + literal("cookie", "b=2", 0x40) + literal("cookie", "c=3");
  expect(list(new HpackDecoder(), block, hex)).toEqual(["x: y", "cookie: a=1; b=2; c=3"]);
});

test("a list above its bytes or its count is too large, holds nothing, and the table goes on (CVE-2016-6581)", () => {
  const big = literal("big", "v".repeat(100), 0x40);
  for (const limits of [
    { maxListBytes: 1000, maxFields: 1000 },
    { maxListBytes: 1_000_000, maxFields: 10 },
  ]) {
    const decoder = new HpackDecoder();
    const block = new HeaderBlock(limits);
    expect(list(decoder, block, big + "be".repeat(16_000))).toEqual([]);
    expect(block.isTooLarge).toBe(true);
    expect(list(decoder, block, "be")).toEqual([`big: ${"v".repeat(100)}`]);
    expect(block.isTooLarge).toBe(false);
  }
});

test("a literal longer than the scratch empties the table, as one longer than the table must", () => {
  const decoder = new HpackDecoder();
  const block = new HeaderBlock();
  list(decoder, block, literal("a", "b", 0x40));
  const long = Buffer.alloc(60_000, 0x61);
  const length = Buffer.from([0x7f, 0xe1, 0xd3, 0x03]); // 127 + 59873
  const bytes = Buffer.concat([bytesOf("40 01 61"), length, long, bytesOf("82")]);
  expect(decoder.decode(bytes, 0, bytes.length, block)).toBe(true);
  expect([block.isTooLarge, decoder.tableBytes]).toEqual([true, 0]);
});

test("all symbols survive Huffman coding", () => {
  const text = Uint8Array.from({ length: 256 }, (_, symbol) => symbol);
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(text)), (plain) => {
      const coded = huffman(plain);
      const target = new Uint8Array(Math.ceil((coded.length * 8) / 5));
      const end = decodeHuffman(coded, 0, coded.length, target, 0);
      expect(Buffer.from(target.subarray(0, end)).equals(Buffer.from(plain))).toBe(true);
    }),
  );
});

test("the code lengths fill the code tree exactly", () => {
  expect(HUFFMAN_CODES.reduce((sum, { length }) => sum + 2 ** -length, 0)).toBe(1);
  expect(HUFFMAN_CODES[256]).toEqual({ bits: 0x3fffffff, length: 30 });
});

function huffman(plain: Uint8Array): Uint8Array {
  let bits = "";
  for (const byte of plain) bits += HUFFMAN_CODES[byte].bits.toString(2).padStart(HUFFMAN_CODES[byte].length, "0");
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2));
}

// --- encoder ---

function fieldsOf(lines: readonly (readonly [string, string])[]): Fields {
  const fields = new Fields();
  const text = Buffer.from(lines.map(([name, value]) => `${name}: ${value}\r\n`).join(""), "latin1");
  fields.clear(text);
  let at = 0;
  for (const [name, value] of lines) {
    const valueStart = at + name.length + 2;
    fields.push(idOf(name.toLowerCase()), at, at + name.length, valueStart, valueStart + value.length, null);
    at = valueStart + value.length + 2;
  }
  return fields;
}

function requestOf(lines: readonly (readonly [string, string])[], version = HTTP_1_1): RequestHead {
  const head = Object.assign(new RequestHead(fieldsOf(lines)), {
    version,
    method: "GET",
    path: "/p",
    authority: "a.b",
  });
  return head;
}

function encodeRequest(encoder: HpackEncoder, head: RequestHead, added: HeaderLine[] = []): Uint8Array {
  const out = new Uint8Array(requestBound(head, added));
  return out.subarray(0, encoder.request(head, added, out, 0));
}

test("fields of HTTP/1 lose what speaks of their connection, and their capitals", () => {
  const head = requestOf([
    ["Host", "a.b"],
    ["Connection", "close, X-Hop"],
    ["X-Hop", "1"],
    ["Keep-Alive", "5"],
    ["Transfer-Encoding", "chunked"],
    ["Upgrade", "h2c"],
    ["HTTP2-Settings", "AAMAAABk"],
    ["TE", "gzip, Trailers"],
    ["X-Stays", "Yes"],
    ["Content-Type", "Text/Plain"],
  ]);
  const block = new HeaderBlock();
  const hex = Buffer.from(encodeRequest(new HpackEncoder(), head, [new HeaderLine("l5d-x", "y")])).toString("hex");
  expect(list(new HpackDecoder(), block, hex)).toEqual([
    ":method: GET",
    ":scheme: http",
    ":path: /p",
    ":authority: a.b",
    "host: a.b",
    "te: trailers",
    "x-stays: Yes",
    "content-type: Text/Plain",
    "l5d-x: y",
  ]);
  expect(block.malformed).toBe("");
});

test("what came in by index goes out by index, on another connection too", () => {
  const into = new HpackDecoder();
  const encoder = new HpackEncoder();
  const out = new HpackDecoder();
  const block = new HeaderBlock();
  const sizes: number[] = [];
  for (let round = 0; round < 3; round++) {
    const hex = round === 0 ? `82 86 84 41 03 612e62 ${literal("user-agent", "robot/1", 0x40)}` : "82 86 84 bf be";
    list(into, block, hex);
    const head = Object.assign(new RequestHead(block.fields), {
      version: HTTP_2,
      method: "GET",
      path: "/",
      authority: "a.b",
    });
    const bytes = encodeRequest(encoder, head);
    sizes.push(bytes.length);
    const copy = new HeaderBlock();
    expect(out.decode(bytes, 0, bytes.length, copy)).toBe(true);
    expect(linesOf(copy)).toEqual([
      ":method: GET",
      ":scheme: http",
      ":path: /",
      ":authority: a.b",
      "user-agent: robot/1",
    ]);
  }
  expect(sizes).toEqual([17, 5, 5]);
});

test("a field never to be indexed is passed on so", () => {
  const block = new HeaderBlock();
  list(new HpackDecoder(), block, literal("password", "secret", 0x10));
  const out = new Uint8Array(fieldsBound(block.fields, []));
  const end = new HpackEncoder().trailers(block.fields, HTTP_2, out, 0);
  expect(Buffer.from(out.subarray(0, end)).toString("hex")).toBe(literal("password", "secret", 0x10));
});

test("any list round-trips, through two hops, while the peer changes its table size", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/).filter((text) => idOf(text) === 0 && text !== "cookie");
  const value = fc.stringMatching(/^([!-~]([ -~]{0,150}[!-~])?)?$/);
  const field = fc.tuple(name, value, fc.constantFrom(0, 0x10, 0x40));
  const message = fc.record({
    fields: fc.array(field, { maxLength: 20 }),
    tableBytes: fc.constantFrom(4096, 0, 100, 1000),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), (messages) => {
      const [first, second] = [new HpackDecoder(), new HpackDecoder()];
      const encoder = new HpackEncoder();
      for (const { fields, tableBytes } of messages) {
        const block = new HeaderBlock();
        encoder.setPeerTableBytes(tableBytes);
        const head = Object.assign(new ResponseHead(block.fields), { version: HTTP_2, status: 418 });
        const text = fields.map(([fieldName, fieldValue, flags]) => long(fieldName, fieldValue, flags)).join("");
        const expected = fields.map(([fieldName, fieldValue]) => `${fieldName}: ${fieldValue}`);
        expect(list(first, block, text)).toEqual(expected);
        const out = new Uint8Array(fieldsBound(block.fields, []));
        const hex = Buffer.from(out.subarray(0, encoder.response(head, [], out, 0))).toString("hex");
        expect(list(second, new HeaderBlock(), hex)).toEqual([":status: 418", ...expected]);
        expect(second.tableBytes).toBeLessThanOrEqual(tableBytes);
      }
    }),
  );
});

/** As `literal`, for texts of up to 254 bytes. */
function long(name: string, value: string, flags: number): string {
  const text = (part: string) =>
    part.length < 127
      ? [Buffer.from([part.length]), Buffer.from(part)]
      : [Buffer.from([127, part.length - 127]), Buffer.from(part)];
  return Buffer.concat([Buffer.from([flags]), ...text(name), ...text(value)]).toString("hex");
}

test("interning is bounded however many fields come", () => {
  const block = new HeaderBlock();
  const decoder = new HpackDecoder();
  for (let index = 0; index < 10_000; index++) list(decoder, block, literal(`n${index}`, `v${index}`, 0x40));
  const { names, entries, bytes } = internedCounts();
  expect(names).toBeLessThanOrEqual(1024);
  expect(entries).toBeLessThanOrEqual(4096);
  expect(bytes).toBeLessThanOrEqual(1 << 20);
  expect(list(decoder, block, "82")).toEqual([":method: GET"]);
});

import { describe, expect, test } from "bun:test";
import { everyCut, requestEvents } from "../support/http1-events.ts";

/** Events of `text`, after making sure that every way to cut it gives the same. */
function read(text: string): string[] {
  const [whole, ...cuts] = everyCut(text);
  const events = requestEvents(whole);
  for (const pieces of cuts) expect(requestEvents(pieces)).toEqual(events);
  return events;
}

/** The message must be refused, and nothing of it that could be taken for a second request may come out. */
function refused(text: string): string {
  const last = read(text).at(-1) ?? "nothing";
  expect(last).toStartWith("error: ");
  return last.slice("error: ".length);
}

const H = "Host: a\r\n";
const post = (fields: string, body = "") => `POST / HTTP/1.1\r\n${H}${fields}\r\n${body}`;
const get = (fields: string) => `GET / HTTP/1.1\r\n${H}${fields}\r\n`;
const chunked = (body: string) => post("Transfer-Encoding: chunked\r\n", body);

describe("requests that are read", () => {
  const cases: [name: string, text: string, expected: string[]][] = [
    ["a minimal request", get(""), ["GET / 11 host=a body=0 keep", 'fields: host="a"', "end"]],
    [
      "a query and a path with odd but plain characters",
      `GET /a;b=c/d?e={"f"}|<g>\\^\`& HTTP/1.1\r\n${H}\r\n`,
      ['GET /a;b=c/d?e={"f"}|<g>\\^`& 11 host=a body=0 keep', 'fields: host="a"', "end"],
    ],
    [
      "values lose the white space around them, not that inside",
      get("X:  a \t b \t\r\nY:\r\nZ: \r\n"),
      ["GET / 11 host=a body=0 keep", 'fields: host="a", x="a \\t b", y="", z=""', "end"],
    ],
    [
      "obs-text in a value",
      get("X: caf\xe9\r\n"),
      ["GET / 11 host=a body=0 keep", 'fields: host="a", x="caf\xe9"', "end"],
    ],
    [
      "every token character in a name",
      get("!#$%&'*+-.^_`|~09azAZ: 1\r\n"),
      ["GET / 11 host=a body=0 keep", 'fields: host="a", !#$%&\'*+-.^_`|~09azaz="1"', "end"],
    ],
    ["one empty line before the request", `\r\n${get("")}`, ["GET / 11 host=a body=0 keep", 'fields: host="a"', "end"]],
    ["HTTP/1.0 without Host closes", "GET / HTTP/1.0\r\n\r\n", ["GET / 10 host= body=0 close", "fields: ", "end"]],
    [
      "HTTP/1.0 with keep-alive stays",
      "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
      ["GET / 10 host= body=0 keep", 'fields: connection="Keep-Alive"', "end"],
    ],
    [
      "Connection: close in a list, in any case",
      get("Connection: foo,  CLOSE ,bar\r\n"),
      ["GET / 11 host=a body=0 close", 'fields: host="a", connection="foo,  CLOSE ,bar"', "end"],
    ],
    ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", ["GET / 11 host= body=0 keep", 'fields: host=""', "end"]],
    [
      "an IPv6 Host with a port",
      "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
      ["GET / 11 host=[::1]:8080 body=0 keep", 'fields: host="[::1]:8080"', "end"],
    ],
    [
      "absolute-form: the target's host replaces Host",
      "GET http://b:81/p?q HTTP/1.1\r\nHost: evil\r\n\r\n",
      ["GET /p?q 11 host=b:81 body=0 keep absolute", 'fields: host="b:81"', "end"],
    ],
    [
      "absolute-form without a path",
      "GET HTTP://b?q HTTP/1.1\r\nHost: B\r\n\r\n",
      ["GET /?q 11 host=b body=0 keep absolute", 'fields: host="B"', "end"],
    ],
    ["OPTIONS *", `OPTIONS * HTTP/1.1\r\n${H}\r\n`, ["OPTIONS * 11 host=a body=0 keep", 'fields: host="a"', "end"]],
    [
      "CONNECT with authority-form",
      "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
      ["CONNECT  11 host=b:443 body=0 keep upgrade", 'fields: host="b:443"', "end"],
    ],
    [
      "an upgrade to websocket",
      get("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
      ["GET / 11 host=a body=0 keep upgrade", 'fields: host="a", connection="Upgrade", upgrade="websocket"', "end"],
    ],
    [
      "an upgrade to h2c is none",
      get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
      [
        "GET / 11 host=a body=0 keep",
        'fields: host="a", connection="Upgrade, HTTP2-Settings", upgrade="h2c", http2-settings="AAMAAABkAAQAAP__"',
        "end",
      ],
    ],
    [
      "an upgrade with a body is none",
      post("Connection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      [
        "POST / 11 host=a body=chunked keep",
        'fields: host="a", connection="Upgrade", upgrade="x", transfer-encoding="chunked"',
        "end",
      ],
    ],
    [
      "Upgrade that Connection does not name is none",
      get("Upgrade: websocket\r\n"),
      ["GET / 11 host=a body=0 keep", 'fields: host="a", upgrade="websocket"', "end"],
    ],
    [
      "a body by length",
      post("Content-Length: 5\r\n", "hello"),
      ["POST / 11 host=a body=5 keep", 'fields: host="a", content-length="5"', "body: hello", "end"],
    ],
    [
      "the same length twice counts once",
      post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
      ["POST / 11 host=a body=5 keep", 'fields: host="a", content-length="5"', "body: hello", "end"],
    ],
    [
      "Expect: 100-continue",
      post("Content-Length: 1\r\nExpect: 100-Continue\r\n", "x"),
      [
        "POST / 11 host=a body=1 keep continue",
        'fields: host="a", content-length="1", expect="100-Continue"',
        "body: x",
        "end",
      ],
    ],
    [
      "chunks, upper and lower case, leading zeros",
      chunked("5\r\nhello\r\n00A\r\n0123456789\r\nb\r\n abcdefghij\r\n0\r\n\r\n"),
      [
        "POST / 11 host=a body=chunked keep",
        'fields: host="a", transfer-encoding="chunked"',
        "body: hello0123456789 abcdefghij",
        "end",
      ],
    ],
    [
      "chunk extensions are skipped",
      chunked('5;a\r\nhello\r\n1; b="c;d" \r\n!\r\n0;e=f\r\n\r\n'),
      ["POST / 11 host=a body=chunked keep", 'fields: host="a", transfer-encoding="chunked"', "body: hello!", "end"],
    ],
    [
      "trailers, without those that would frame or route",
      chunked("1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\nHost: b\r\nl5d-client-id: me\r\n\r\n"),
      [
        "POST / 11 host=a body=chunked keep",
        'fields: host="a", transfer-encoding="chunked"',
        "body: x",
        'end x-sum="1"',
      ],
    ],
    [
      "Chunked in another case",
      post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"),
      ["POST / 11 host=a body=chunked keep", 'fields: host="a", transfer-encoding="Chunked"', "end"],
    ],
    [
      "pipelined requests, one after another",
      `${post("Content-Length: 3\r\n", "abc")}${get("X: 1\r\n")}${chunked("1\r\nz\r\n0\r\n\r\n")}`,
      [
        "POST / 11 host=a body=3 keep",
        'fields: host="a", content-length="3"',
        "body: abc",
        "end",
        "GET / 11 host=a body=0 keep",
        'fields: host="a", x="1"',
        "end",
        "POST / 11 host=a body=chunked keep",
        'fields: host="a", transfer-encoding="chunked"',
        "body: z",
        "end",
      ],
    ],
    [
      "an unknown method",
      `M-SEARCH /x HTTP/1.1\r\n${H}\r\n`,
      ["M-SEARCH /x 11 host=a body=0 keep", 'fields: host="a"', "end"],
    ],
    [
      "methods are case-sensitive",
      `get / HTTP/1.1\r\n${H}\r\n`,
      ["get / 11 host=a body=0 keep", 'fields: host="a"', "end"],
    ],
    [
      "a body behind GET is read as such, not as a request",
      `GET / HTTP/1.1\r\n${H}Content-Length: 18\r\n\r\nGET /x HTTP/1.1\r\n\r`,
      ["GET / 11 host=a body=18 keep", 'fields: host="a", content-length="18"', "body: GET /x HTTP/1.1\r\n\r", "end"],
    ],
  ];
  for (const [name, text, expected] of cases) test(name, () => expect(read(text)).toEqual(expected));
});

describe("request lines that are refused", () => {
  const line = (text: string) => `${text}${H}\r\n`;
  const cases: [name: string, text: string, because: string | RegExp][] = [
    ["HTTP/0.9", "GET /\r\n", /request line/],
    ["no target", line("GET HTTP/1.1\r\n"), /request line/],
    ["nothing but a method", line("GET\r\n"), /method/],
    ["two spaces before the target", line("GET  / HTTP/1.1\r\n"), /target/],
    ["two spaces before the version", line("GET /  HTTP/1.1\r\n"), /request line/],
    ["a space behind the version", line("GET / HTTP/1.1 \r\n"), /request line/],
    ["a tab instead of a space", line("GET\t/ HTTP/1.1\r\n"), /method/],
    ["a tab before the version", line("GET /\tHTTP/1.1\r\n"), /target/],
    ["a space before the method", line(" GET / HTTP/1.1\r\n"), /request line/],
    ["two empty lines first", `\r\n\r\n${get("")}`, /request line/],
    ["a bare LF first", `\n${get("")}`, /LF/],
    ["CR first, then the method", `\r${get("")}`, /CR/],
    ["a bare LF behind the line", `GET / HTTP/1.1\n${H}\r\n`, /LF/],
    ["a bare CR behind the line", `GET / HTTP/1.1\r${H}\r\n`, /CR/],
    ["HTTP/2.0", line("GET / HTTP/2.0\r\n"), /version/],
    ["HTTP/1.2", line("GET / HTTP/1.2\r\n"), /version/],
    ["HTTP/1.11", line("GET / HTTP/1.11\r\n"), /request line/],
    ["HTTP/11.1", line("GET / HTTP/11.1\r\n"), /request line/],
    ["HTTP/0.9 spelt out", line("GET / HTTP/0.9\r\n"), /version/],
    ["http/1.1 in lower case", line("GET / http/1.1\r\n"), /request line/],
    ["HTTP/ 1.1", line("GET / HTTP/ 1.1\r\n"), /request line/],
    ["HTTPS/1.1", line("GET / HTTPS/1.1\r\n"), /request line/],
    ["HTTP/1,1", line("GET / HTTP/1,1\r\n"), /request line/],
    ["a version of letters", line("GET / HTTP/x.y\r\n"), /request line/],
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n", /method/],
    ["a TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /request line/],
    ["the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /version/],
    ["a method with a colon", line("GE:T / HTTP/1.1\r\n"), /method/],
    ["a method with NUL", line("GE\0T / HTTP/1.1\r\n"), /method/],
    ["a method above 127", line("G\xc3T / HTTP/1.1\r\n"), /method/],
    ["a method of 33 characters", line(`${"A".repeat(33)} / HTTP/1.1\r\n`), /method/],
    ["a fragment", line("GET /a#b HTTP/1.1\r\n"), /target/],
    ["NUL in the target", line("GET /a\0b HTTP/1.1\r\n"), /target/],
    ["DEL in the target", line("GET /a\x7fb HTTP/1.1\r\n"), /target/],
    ["ESC in the target", line("GET /a\x1bb HTTP/1.1\r\n"), /target/],
    ["a byte above 127 in the target", line("GET /caf\xe9 HTTP/1.1\r\n"), /target/],
    ["a bare CR in the target", line("GET /a\rb HTTP/1.1\r\n"), /request line/],
    ["a target without slash", line("GET a HTTP/1.1\r\n"), /target/],
    ["a target that is a host", line("GET a:80 HTTP/1.1\r\n"), /target/],
    ["an empty authority", line("GET http:///p HTTP/1.1\r\n"), /target/],
    ["user information", line("GET http://u:p@a/ HTTP/1.1\r\n"), /target/],
    ["another scheme", line("GET ftp://a/ HTTP/1.1\r\n"), /target/],
    ["a port of letters", line("GET http://a:b/ HTTP/1.1\r\n"), /target/],
    ["port 65536", line("GET http://a:65536/ HTTP/1.1\r\n"), /target/],
    ["* without OPTIONS", line("GET * HTTP/1.1\r\n"), /target/],
    ["** with OPTIONS", line("OPTIONS ** HTTP/1.1\r\n"), /target/],
    ["CONNECT with a path", line("CONNECT /a HTTP/1.1\r\n"), /target/],
    ["CONNECT without a port", line("CONNECT a HTTP/1.1\r\n"), /target/],
    ["CONNECT with an absolute target", line("CONNECT http://a:1/ HTTP/1.1\r\n"), /target/],
    ["CONNECT with a length", `CONNECT a:1 HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`, /method/],
    ["CONNECT with chunks", `CONNECT a:1 HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, /method/],
  ];
  for (const [name, text, because] of cases) test(name, () => expect(refused(text)).toMatch(because));
});

describe("fields that are refused", () => {
  const cases: [name: string, fields: string, because: string | RegExp][] = [
    ["a space before the colon", "X : 1\r\n", /name/],
    ["a tab before the colon", "X\t: 1\r\n", /name/],
    ["a space in the name", "X Y: 1\r\n", /name/],
    ["no colon", "X\r\n", /name/],
    ["an empty name", ": 1\r\n", /name/],
    ["NUL in the name", "X\0: 1\r\n", /name/],
    ["a name above 127", "X\xe9: 1\r\n", /name/],
    ["a quote in the name", 'X": 1\r\n', /name/],
    ["a slash in the name", "X/Y: 1\r\n", /name/],
    ["a bracket in the name", "X[1]: 1\r\n", /name/],
    ["CR in the name", "X\r: 1\r\n", /name/],
    ["NUL in the value", "X: a\0b\r\n", /value/],
    ["BEL in the value", "X: a\x07b\r\n", /value/],
    ["ESC in the value", "X: a\x1bb\r\n", /value/],
    ["DEL in the value", "X: a\x7fb\r\n", /value/],
    ["vertical tab in the value", "X: a\x0bb\r\n", /value/],
    ["form feed around the value", "X: \x0ca\r\n", /value/],
    ["a bare LF in the value", "X: a\nY: b\r\n", /LF/],
    ["a bare CR in the value", "X: a\rY: b\r\n", /CR/],
    ["CR CR LF", "X: a\r\r\n", /CR/],
    ["a folded line with a space", "X: a\r\n b\r\n", /folding/],
    ["a folded line with a tab", "X: a\r\n\tb\r\n", /folding/],
    ["a line of white space", "X: a\r\n \r\n", /folding/],
    ["a bare LF as the blank line", "X: a\r\n\n", /LF/],
    ["CR LF CR X ends nothing", "X: a\r\n\rX", /CR/],
    ["CR LF CR CR LF", "X: a\r\n\r\r\n", /CR/],
  ];
  for (const [name, fields, because] of cases) test(name, () => expect(refused(get(fields))).toMatch(because));

  test("a folded first field", () => expect(refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n")).toMatch(/folding/));
  test("more fields than the limit", () => expect(refused(get("X: 1\r\n".repeat(100)))).toMatch(/more fields/));
  test("as many fields as the limit", () => expect(read(get("X:1\r\n".repeat(99))).at(-1)).toBe("end"));
});

describe("Host that is refused", () => {
  const cases: [name: string, fields: string][] = [
    ["none", ""],
    ["two", "Host: a\r\nHost: b\r\n"],
    ["the same twice", "Host: a\r\nHost: a\r\n"],
    ["two, one in another case", "Host: a\r\nhOST: a\r\n"],
    ["a list", "Host: a, b\r\n"],
    ["a space inside", "Host: a b\r\n"],
    ["a path", "Host: a/b\r\n"],
    ["a query", "Host: a?b\r\n"],
    ["user information", "Host: u@a\r\n"],
    ["a scheme", "Host: http://a\r\n"],
    ["a port of letters", "Host: a:b\r\n"],
    ["a port above 65535", "Host: a:70000\r\n"],
    ["two ports", "Host: a:1:2\r\n"],
    ["an open bracket", "Host: [::1\r\n"],
    ["something behind the bracket", "Host: [::1]a\r\n"],
    ["only a port", "Host: :80\r\n"],
    ["a byte above 127", "Host: \xe9\r\n"],
    ["a fragment", "Host: a#b\r\n"],
    ["angle brackets", "Host: <a>\r\n"],
  ];
  for (const [name, fields] of cases) {
    test(name, () => expect(refused(`GET / HTTP/1.1\r\n${fields}\r\n`)).toMatch(/Host/));
  }
  test("two in HTTP/1.0", () => expect(refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n")).toMatch(/Host/));
  test("none with an absolute target", () => expect(refused("GET http://a/ HTTP/1.1\r\n\r\n")).toMatch(/Host/));
});

describe("lengths and codings that are refused", () => {
  const smuggled = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
  const cases: [name: string, fields: string, because: RegExp][] = [
    ["CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", /both/],
    ["TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", /both/],
    ["CL 0 with TE", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", /both/],
    ["different lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", /Content-Length/],
    ["a list of different lengths", "Content-Length: 5, 6\r\n", /Content-Length/],
    ["a list of equal lengths", "Content-Length: 5, 5\r\n", /Content-Length/],
    ["an empty length", "Content-Length:\r\n", /Content-Length/],
    ["a sign", "Content-Length: +5\r\n", /Content-Length/],
    ["a negative length", "Content-Length: -5\r\n", /Content-Length/],
    ["a leading zero", "Content-Length: 05\r\n", /Content-Length/],
    ["octal", "Content-Length: 0200\r\n", /Content-Length/],
    ["two zeros", "Content-Length: 00\r\n", /Content-Length/],
    ["hexadecimal", "Content-Length: 0x5\r\n", /Content-Length/],
    ["a fraction", "Content-Length: 5.0\r\n", /Content-Length/],
    ["an exponent", "Content-Length: 1e1\r\n", /Content-Length/],
    ["underscores", "Content-Length: 1_0\r\n", /Content-Length/],
    ["a space inside", "Content-Length: 5 5\r\n", /Content-Length/],
    ["a trailing letter", "Content-Length: 5a\r\n", /Content-Length/],
    ["beyond 2^53", "Content-Length: 9007199254740993\r\n", /Content-Length/],
    ["beyond 2^64", "Content-Length: 18446744073709551617\r\n", /Content-Length/],
    ["full-width digits", "Content-Length: \xef\xbc\x95\r\n", /Content-Length/],
    ["quotes", 'Content-Length: "5"\r\n', /Content-Length/],
    ["a comma behind", "Content-Length: 5,\r\n", /Content-Length/],
    ["identity", "Transfer-Encoding: identity\r\n", /Transfer-Encoding/],
    ["gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", /Transfer-Encoding/],
    ["chunked, identity", "Transfer-Encoding: chunked, identity\r\n", /Transfer-Encoding/],
    ["chunked twice in a list", "Transfer-Encoding: chunked, chunked\r\n", /Transfer-Encoding/],
    ["chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", /Transfer-Encoding/],
    ["chunked, then identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", /Transfer-Encoding/],
    ["identity, then chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", /Transfer-Encoding/],
    ["xchunked", "Transfer-Encoding: xchunked\r\n", /Transfer-Encoding/],
    ["chunkedx", "Transfer-Encoding: chunkedx\r\n", /Transfer-Encoding/],
    ["quoted", 'Transfer-Encoding: "chunked"\r\n', /Transfer-Encoding/],
    ["with a parameter", "Transfer-Encoding: chunked;q=1\r\n", /Transfer-Encoding/],
    ["with a comma before", "Transfer-Encoding: ,chunked\r\n", /Transfer-Encoding/],
    ["with a comma behind", "Transfer-Encoding: chunked,\r\n", /Transfer-Encoding/],
    ["empty", "Transfer-Encoding:\r\n", /Transfer-Encoding/],
    ["a vertical tab before", "Transfer-Encoding: \x0bchunked\r\n", /value/],
    ["a name with a space", "Transfer-Encoding : chunked\r\n", /name/],
    ["a folded coding", "Transfer-Encoding:\r\n chunked\r\n", /folding/],
    ["a name with a leading space", " Transfer-Encoding: chunked\r\n", /folding/],
    ["a bare LF that hides it", "X: y\nTransfer-Encoding: chunked\r\n", /LF/],
    ["a bare CR that hides it", "X: y\rTransfer-Encoding: chunked\r\n", /CR/],
    ["NUL behind the name", "Content-Length\0: 5\r\n", /name/],
  ];
  for (const [name, fields, because] of cases)
    test(name, () => expect(refused(post(fields, smuggled))).toMatch(because));

  test("chunked in HTTP/1.0", () =>
    expect(refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")).toMatch(/Transfer-Encoding/));
});

describe("chunks that are refused", () => {
  const cases: [name: string, body: string, because: RegExp][] = [
    ["no size", "\r\nhello", /size/],
    ["a size of letters beyond f", "g\r\nhello", /size/],
    ["0x", "0x5\r\nhello\r\n", /size/],
    ["a sign", "+5\r\nhello\r\n", /size/],
    ["a negative size", "-1\r\nhello\r\n", /size/],
    ["an underscore", "1_0\r\nhello\r\n", /size/],
    ["a space before", " 5\r\nhello\r\n", /size/],
    ["a space behind", "5 \r\nhello\r\n", /size/],
    ["a tab behind", "5\t\r\nhello\r\n", /size/],
    ["a fraction", "5.0\r\nhello\r\n", /size/],
    ["14 digits", "00000000000005\r\nhello\r\n", /size/],
    ["beyond 2^64", "10000000000000005\r\nhello\r\n", /size/],
    ["a bare LF behind the size", "5\nhello\r\n", /size/],
    ["a bare CR behind the size", "5\rhello\r\n", /CR/],
    ["CR X LF behind the size", "5\rX\nhello\r\n", /CR/],
    ["a semicolon and nothing", "5;\r\nhello\r\n", /extension/],
    ["a bare LF in an extension", "5;a\nhello\r\n", /extension/],
    ["NUL in an extension", "5;a\0\r\nhello\r\n", /extension/],
    ["a bare CR in an extension", "5;a\rb\r\nhello\r\n", /CR/],
    ["no line end behind the data", "5\r\nhello0\r\n\r\n", /end with CR LF/],
    ["more data than announced", "5\r\nhello!\r\n0\r\n\r\n", /end with CR LF/],
    ["a bare LF behind the data", "5\r\nhello\n0\r\n\r\n", /end with CR LF/],
    ["a bare CR behind the data", "5\r\nhello\r0\r\n\r\n", /end with CR LF/],
    ["a bare LF behind the last chunk", "0\n\n", /size/],
    ["a bare LF as the end of trailers", "0\r\n\n", /LF/],
    ["a trailer with a space before its colon", "0\r\nX : 1\r\n\r\n", /name/],
    ["a trailer with a bare LF", "0\r\nX: 1\nY: 2\r\n\r\n", /LF/],
    ["a folded trailer", "0\r\nX: 1\r\n 2\r\n\r\n", /folding/],
    ["CR LF CR X behind the trailers", "0\r\nX: 1\r\n\rX", /CR/],
    ["a request line as trailer", "0\r\nGET /x HTTP/1.1\r\n\r\n", /name/],
  ];
  for (const [name, body, because] of cases) test(name, () => expect(refused(chunked(body))).toMatch(because));
});

describe("limits", () => {
  const limits = { maxHeadBytes: 128, maxFields: 10, maxTrailerBytes: 64, maxChunkOverheadBytes: 64 };
  const check = (text: string, expected: string | RegExp) => {
    for (const pieces of everyCut(text)) expect(requestEvents(pieces, limits).at(-1)).toMatch(expected);
  };
  const filler = (length: number) => `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(length)}\r\n\r\n`;

  test("a head of exactly the limit passes, one byte more does not", () => {
    const rest = 128 - filler(0).length;
    check(filler(rest), "end");
    check(filler(rest + 1), /head is larger/);
  });
  test("a head that never ends is cut off at the limit", () => {
    check(`GET / HTTP/1.1\r\nX: ${"x".repeat(400)}`, /head is larger/);
  });
  test("trailers beyond their limit", () => {
    check(chunked(`0\r\nX: ${"x".repeat(100)}\r\n\r\n`), /trailers are larger/);
  });
  test("one extension beyond the limit", () => {
    check(chunked(`1;${"x".repeat(100)}\r\nx\r\n0\r\n\r\n`), /outweigh/);
  });
  test("many small chunks with extensions that their data does not pay for", () => {
    check(chunked(`${`1;${"x".repeat(30)}\r\nx\r\n`.repeat(10)}0\r\n\r\n`), /outweigh/);
  });
  test("many small chunks without extensions are no fault", () => {
    check(chunked(`${"1\r\nx\r\n".repeat(100)}0\r\n\r\n`), "end");
  });
  test("a target beyond 32 KiB", () => {
    const text = `GET /${"x".repeat(40_000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    expect(requestEvents([Buffer.from(text)]).at(-1)).toMatch(/target is longer/);
  });
  test("more Connection options than 32", () => {
    const text = get(`Connection: ${"a,".repeat(33)}\r\n`);
    expect(requestEvents([Buffer.from(text)]).at(-1)).toMatch(/more fields/);
  });
});

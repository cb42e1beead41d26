import { describe, expect, test } from "bun:test";
import { everyCut, responseEvents } from "../support/http1-events.ts";

/** Events of the whole text, after making sure that every way to cut it gives the same. */
function read(text: string, methods: readonly string[] = ["GET"], asksUpgrade = false): string[] {
  const [whole, ...cuts] = everyCut(text);
  const events = responseEvents(whole, methods, asksUpgrade);
  for (const pieces of cuts) expect(responseEvents(pieces, methods, asksUpgrade)).toEqual(events);
  return events;
}

function refused(text: string, methods: readonly string[] = ["GET"]): string {
  const last = read(text, methods).at(-1) ?? "nothing";
  expect(last).toStartWith("error: ");
  return last.slice("error: ".length);
}

const ok = (fields: string, body = "") => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`;
const chunked = (body: string) => ok("Transfer-Encoding: chunked\r\n", body);

describe("responses that are read", () => {
  const cases: [name: string, text: string, expected: string[], methods?: string[], asksUpgrade?: boolean][] = [
    [
      "a body by length",
      ok("Content-Length: 2\r\n", "ok"),
      ["11 200 OK body=2 keep", 'fields: content-length="2"', "body: ok", "end", "closed"],
    ],
    [
      "an empty body",
      ok("Content-Length: 0\r\n"),
      ["11 200 OK body=0 keep", 'fields: content-length="0"', "end", "closed"],
    ],
    [
      "the same length twice counts once",
      ok("Content-Length: 2\r\nContent-Length: 2\r\n", "ok"),
      ["11 200 OK body=2 keep", 'fields: content-length="2"', "body: ok", "end", "closed"],
    ],
    [
      "chunks and trailers",
      chunked("2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n"),
      [
        "11 200 OK body=unknown keep",
        'fields: transfer-encoding="chunked"',
        "body: ok",
        'end grpc-status="0"',
        "closed",
      ],
    ],
    ["a body until close", ok("", "ok"), ["11 200 OK body=unknown close", "fields: ", "body: ok", "end", "closed"]],
    ["nothing until close", ok(""), ["11 200 OK body=unknown close", "fields: ", "end", "closed"]],
    [
      "no reason, without its space",
      "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
      ["11 404  body=0 keep", 'fields: content-length="0"', "end", "closed"],
    ],
    [
      "no reason, with its space",
      "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
      ["11 404  body=0 keep", 'fields: content-length="0"', "end", "closed"],
    ],
    [
      "a reason with spaces and obs-text",
      "HTTP/1.1 599 all\t sorts \xe9\r\nContent-Length: 0\r\n\r\n",
      ["11 599 all\t sorts \xe9 body=0 keep", 'fields: content-length="0"', "end", "closed"],
    ],
    [
      "HTTP/1.0 closes",
      "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
      ["10 200 OK body=1 close", 'fields: content-length="1"', "body: x", "end", "closed"],
    ],
    [
      "HTTP/1.0 with keep-alive stays",
      "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx",
      ["10 200 OK body=1 keep", 'fields: content-length="1", connection="keep-alive"', "body: x", "end", "closed"],
    ],
    [
      "HEAD has no body, whatever its length",
      ok("Content-Length: 99\r\n"),
      ["11 200 OK body=0 keep", 'fields: content-length="99"', "end", "closed"],
      ["HEAD"],
    ],
    [
      "HEAD has no body, even chunked",
      chunked(""),
      ["11 200 OK body=0 keep", 'fields: transfer-encoding="chunked"', "end", "closed"],
      ["HEAD"],
    ],
    [
      "304 has no body, whatever its length",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
      ["11 304 Not Modified body=0 keep", 'fields: content-length="99"', "end", "closed"],
    ],
    [
      "204 has no body",
      "HTTP/1.1 204 No Content\r\n\r\n",
      ["11 204 No Content body=0 keep", "fields: ", "end", "closed"],
    ],
    [
      "interim responses come before the final one",
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${ok("Content-Length: 1\r\n", "x")}`,
      [
        "11 100 Continue body=0 keep",
        "fields: ",
        "11 103 Early Hints body=0 keep",
        'fields: link="a"',
        "11 200 OK body=1 keep",
        'fields: content-length="1"',
        "body: x",
        "end",
        "closed",
      ],
    ],
    [
      "101 opens a tunnel",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 bytes",
      [
        "11 101 Switching Protocols body=unknown close tunnel",
        'fields: upgrade="x"',
        "body: HTTP/1.1 bytes",
        "end",
        "closed",
      ],
      ["GET"],
      true,
    ],
    [
      "2xx to CONNECT opens a tunnel, whatever its length",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nbytes",
      ["11 200 OK body=unknown close tunnel", 'fields: content-length="1"', "body: bytes", "end", "closed"],
      ["CONNECT"],
    ],
    [
      "another answer to CONNECT is a response",
      "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
      ["11 403 Forbidden body=2 keep", 'fields: content-length="2"', "body: no", "end", "closed"],
      ["CONNECT"],
    ],
    [
      "one response after another, each by its own request",
      `${ok("Content-Length: 9\r\n")}${ok("Content-Length: 1\r\n", "x")}`,
      [
        "11 200 OK body=0 keep",
        'fields: content-length="9"',
        "end",
        "11 200 OK body=1 keep",
        'fields: content-length="1"',
        "body: x",
        "end",
        "closed",
      ],
      ["HEAD", "GET"],
    ],
  ];
  for (const [name, text, expected, methods, asksUpgrade] of cases) {
    test(name, () => expect(read(text, methods, asksUpgrade)).toEqual(expected));
  }
});

describe("responses that are refused", () => {
  const cases: [name: string, text: string, because: RegExp][] = [
    ["nothing at all", "\r\n", /status line/],
    ["an empty line first", `\r\n${ok("")}`, /status line/],
    ["another protocol", "ICY 200 OK\r\n\r\n", /status line/],
    ["lower case", "http/1.1 200 OK\r\n\r\n", /status line/],
    ["HTTP/2", "HTTP/2 200\r\n\r\n", /status line/],
    ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", /status line/],
    ["two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", /status line/],
    ["a tab before the status", "HTTP/1.1\t200 OK\r\n\r\n", /status line/],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", /status line/],
    ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", /status line/],
    ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n", /status line/],
    ["a status with a sign", "HTTP/1.1 +20 OK\r\n\r\n", /status line/],
    ["a bare LF behind the status line", "HTTP/1.1 200 OK\nX: 1\r\n\r\n", /LF/],
    ["a bare LF behind the status", "HTTP/1.1 200\n\r\n", /LF/],
    ["a bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", /CR/],
    ["NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", /status line/],
    ["a space before a colon", ok("X : 1\r\n"), /name/],
    ["a folded field", ok("X: 1\r\n 2\r\n"), /folding/],
    ["a bare LF in a field", ok("X: 1\nY: 2\r\n"), /LF/],
    ["a control character in a value", ok("X: \x01\r\n"), /value/],
    ["CR LF CR X ends nothing", ok("X: 1\r\n").replace(/\r\n$/, "\rX"), /CR/],
    ["a length and chunks", ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), /both/],
    ["two lengths", ok("Content-Length: 1\r\nContent-Length: 2\r\n", "x"), /Content-Length/],
    ["a length with a sign", ok("Content-Length: +1\r\n", "x"), /Content-Length/],
    ["a list of lengths", ok("Content-Length: 1, 1\r\n", "x"), /Content-Length/],
    ["another coding", ok("Transfer-Encoding: gzip, chunked\r\n"), /Transfer-Encoding/],
    ["identity", ok("Transfer-Encoding: identity\r\n"), /Transfer-Encoding/],
    ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", /Transfer-Encoding/],
    ["a bad chunk size", chunked("x\r\n"), /size/],
    ["a chunk without its end", chunked("1\r\nab\r\n"), /CR LF/],
    ["a body cut short", ok("Content-Length: 5\r\n", "abc"), /before the message was complete/],
    ["chunks cut short", chunked("5\r\nabc"), /before the message was complete/],
    ["the last chunk without its end", chunked("0\r\n"), /before the message was complete/],
    ["a head cut short", "HTTP/1.1 200 OK\r\nX: 1\r\n", /before the message was complete/],
    ["only an interim response", "HTTP/1.1 100 Continue\r\n\r\n", /before the message was complete/],
    ["101 that was not asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", /without being asked/],
    ["bytes behind the response", ok("Content-Length: 1\r\n", "xy"), /no request/],
    ["a second response", ok("Content-Length: 0\r\n", ok("")), /no request/],
    ["a body behind 204", "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx", /no request/],
    ["interim responses without end", "HTTP/1.1 102 Processing\r\n\r\n".repeat(65), /no request/],
  ];
  for (const [name, text, because] of cases) test(name, () => expect(refused(text)).toMatch(because));
  test("a body behind a response to HEAD", () =>
    expect(refused(ok("Content-Length: 1\r\n", "x"), ["HEAD"])).toMatch(/no request/));
  test("bytes before any request", () => expect(refused(ok(""), [])).toMatch(/no request/));
});

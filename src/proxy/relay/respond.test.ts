import { expect, test } from "bun:test";
import { Fields, idOf } from "#fields";
import { HTTP_1_1, HTTP_2, RequestHead } from "#message";
import { type RelayCode, RelayError } from "../errors.ts";
import { errorResponse, grpcStatusOf, isGrpcRequest } from "./respond.ts";

function answer(code: RelayCode, message: string, isGrpc: boolean, emitsDetail: boolean) {
  const { head, added, closes } = errorResponse(new RelayError(code, "proxy", "never", message), {
    isGrpc,
    emitsDetail,
  });
  return { status: head.status, lines: added.map((line) => `${line.name}: ${line.value}`), closes };
}

function requestOf(version: number, contentType: string): RequestHead {
  const fields = new Fields();
  fields.clear(Buffer.from(`content-type${contentType}`));
  fields.push(idOf("content-type"), 0, 12, 12, 12 + contentType.length, null);
  return Object.assign(new RequestHead(fields), { version });
}

test("the statuses are those of Linkerd's proxy", () => {
  const cases: [RelayCode, http: number, grpc: number, closes: boolean][] = [
    ["fail-fast", 504, 4, true],
    ["load-shed", 503, 14, true],
    ["no-endpoints", 503, 14, true],
    ["connect-timeout", 504, 4, true],
    ["connect-refused", 502, 14, true],
    ["tls-failed", 502, 14, true],
    ["server-gone", 502, 14, true],
    ["identity-required", 502, 14, true],
    ["response-timeout", 504, 4, false],
    ["no-route", 404, 5, false],
    ["unauthorized", 403, 7, false],
    ["rate-limited", 429, 8, false],
    ["policy-invalid", 500, 13, true],
    ["unexpected", 500, 13, true],
  ];
  for (const [code, http, grpc, closes] of cases) {
    expect({ code, ...answer(code, "x", false, false) }).toEqual({
      code,
      status: http,
      lines: ["content-length: 0"],
      closes,
    });
    expect(answer(code, "x", true, false)).toEqual({
      status: 200,
      lines: ["content-length: 0", "content-type: application/grpc", `grpc-status: ${grpc}`],
      closes,
    });
    expect(grpcStatusOf(new RelayError(code, "proxy", "never", "x"))).toBe(grpc);
  }
});

test("details are given only where they may be read", () => {
  expect(answer("load-shed", "service unavailable: 50%", false, true).lines).toEqual([
    "content-length: 0",
    "l5d-proxy-error: service unavailable: 50%",
    "l5d-proxy-connection: close",
  ]);
  expect(answer("no-route", "no route 50%", true, true).lines).toEqual([
    "content-length: 0",
    "content-type: application/grpc",
    "grpc-status: 5",
    "grpc-message: no route 50%25",
    "l5d-proxy-error: no route 50%",
  ]);
});

test("a message cannot forge fields, and our own mistakes are not told", () => {
  expect(answer("no-route", "a\r\nevil: 1\x00é", false, true).lines).toContain("l5d-proxy-error: a??evil: 1??");
  expect(answer("no-route", "x".repeat(2000), false, true).lines[1].length).toBe("l5d-proxy-error: ".length + 512);
  expect(answer("unexpected", "secret state", false, true).lines[1]).toBe("l5d-proxy-error: unexpected error");
});

test("a status can be given", () => {
  const cause = new RelayError("bad-request", "client", "never", "x");
  expect(errorResponse(cause, { isGrpc: false, emitsDetail: false, status: 431 }).head.status).toBe(431);
});

test("gRPC is HTTP/2 with its content type", () => {
  expect(isGrpcRequest(requestOf(HTTP_2, "application/grpc"))).toBe(true);
  expect(isGrpcRequest(requestOf(HTTP_2, "application/grpc+proto"))).toBe(true);
  expect(isGrpcRequest(requestOf(HTTP_2, "application/json"))).toBe(false);
  expect(isGrpcRequest(requestOf(HTTP_1_1, "application/grpc"))).toBe(false);
});

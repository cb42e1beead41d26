import { expect, test } from "bun:test";
import { type Fields, HeaderLine, idOf } from "#fields";
import { HTTP_1_0, HTTP_1_1, HTTP_2, RequestHead, ResponseHead } from "#message";
import {
  origProtoRequestLine,
  origProtoResponseLine,
  takeOrigProtoRequest,
  takeOrigProtoResponse,
} from "./orig-proto.ts";

function add(fields: Fields, name: string, value: string): void {
  const start = fields.bytes.length;
  fields.bytes = Buffer.concat([fields.bytes, Buffer.from(name + value)]);
  const nameEnd = start + name.length;
  fields.push(idOf(name), start, nameEnd, nameEnd, nameEnd + value.length, null);
}

function requestWith(version: number, ...values: string[]): RequestHead {
  const head = new RequestHead();
  head.version = version;
  for (const value of values) add(head.fields, "l5d-orig-proto", value);
  return head;
}

test.each([
  [HTTP_1_1, false, "HTTP/1.1"],
  [HTTP_1_0, false, "HTTP/1.0"],
  [HTTP_1_1, true, "HTTP/1.1; absolute-form"],
  [HTTP_1_0, true, "HTTP/1.0; absolute-form"],
])("a request of version %p, absolute %p, says %p and is turned back", (version, isAbsoluteForm, text) => {
  const head = new RequestHead();
  head.version = version;
  head.isAbsoluteForm = isAbsoluteForm;
  expect(origProtoRequestLine(head)).toEqual(new HeaderLine("l5d-orig-proto", text));
  const received = requestWith(HTTP_2, text);
  expect(takeOrigProtoRequest(received, true)).toBe(true);
  expect([received.version, received.isAbsoluteForm]).toEqual([version, isAbsoluteForm]);
  expect(received.fields.get("l5d-orig-proto")).toBeUndefined();
});

test("an HTTP/2 request says nothing", () => {
  expect(origProtoRequestLine(requestWith(HTTP_2))).toBeNull();
});

test("an unknown value leaves HTTP/2, and every such field is removed", () => {
  const head = requestWith(HTTP_2, "HTTP/3", "HTTP/1.1");
  expect(takeOrigProtoRequest(head, true)).toBe(false);
  expect(head.version).toBe(HTTP_2);
  expect(head.fields.get("l5d-orig-proto")).toBeUndefined();
});

test("on an HTTP/1 request the field is removed and means nothing", () => {
  const head = requestWith(HTTP_1_1, "HTTP/1.0");
  expect(takeOrigProtoRequest(head, true)).toBe(false);
  expect(head.version).toBe(HTTP_1_1);
  expect(head.fields.get("l5d-orig-proto")).toBeUndefined();
});

test.each([
  ["HTTP/1.1", HTTP_1_1],
  ["HTTP/1.0", HTTP_1_0],
  ["HTTP/1.1 ", HTTP_1_0],
  [undefined, HTTP_1_0],
])("a response that says %p to an HTTP/1.0 request becomes version %p", (value, version) => {
  const head = new ResponseHead();
  head.version = HTTP_2;
  if (value !== undefined) add(head.fields, "l5d-orig-proto", value);
  takeOrigProtoResponse(head, HTTP_1_0);
  expect(head.version).toBe(version);
  expect(head.fields.get("l5d-orig-proto")).toBeUndefined();
});

test("a response says the application's version; one of HTTP/2 says nothing", () => {
  const head = new ResponseHead();
  expect(origProtoResponseLine(head)?.value).toBe("HTTP/1.1");
  head.version = HTTP_1_0;
  expect(origProtoResponseLine(head)?.value).toBe("HTTP/1.0");
  head.version = HTTP_2;
  expect(origProtoResponseLine(head)).toBeNull();
});

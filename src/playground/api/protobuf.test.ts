import { expect, test } from "bun:test";
import { StatusError } from "../store/status.ts";
import { decodeProtobuf } from "./protobuf.ts";

const text = (tag: number, value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([(tag << 3) | 2, bytes.length]), bytes]);
};
const number = (tag: number, value: number): Buffer => Buffer.from([tag << 3, value]);

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const typeMeta = Buffer.concat([text(1, apiVersion), text(2, kind)]);
  return Buffer.concat([Buffer.from("k8s\0"), text(1, typeMeta), text(2, raw)]);
}

const CONFIG_MAP = envelope(
  "v1",
  "ConfigMap",
  Buffer.concat([
    text(1, Buffer.concat([text(1, "c"), text(3, ""), text(11, Buffer.concat([text(1, "app"), text(2, "web")]))])),
    text(2, Buffer.concat([text(1, "k"), text(2, "v")])),
    text(2, Buffer.concat([text(1, "empty"), text(2, "")])),
    number(4, 1),
  ]),
);

test("a body reads as the JSON it stands for", () => {
  expect(decodeProtobuf(CONFIG_MAP)).toEqual({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "c", labels: { app: "web" } },
    data: { k: "v", empty: "" },
    immutable: true,
  });
});

test("a body cut anywhere is refused or shorter, never a crash", () => {
  for (let end = 0; end < CONFIG_MAP.length; end++) {
    try {
      decodeProtobuf(CONFIG_MAP.subarray(0, end));
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(StatusError);
    }
  }
});

test("kinds without a table are refused as an unsupported media type", () => {
  expect(() => decodeProtobuf(envelope("v1", "Odd", Buffer.alloc(0)))).toThrow("protobuf of Odd is not supported");
});

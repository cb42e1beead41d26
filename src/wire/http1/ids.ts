import { knownId } from "#fields";

/** Ids of the fields that HTTP/1 itself acts on. */
export const ID = {
  host: knownId("host"),
  connection: knownId("connection"),
  contentLength: knownId("content-length"),
  transferEncoding: knownId("transfer-encoding"),
  upgrade: knownId("upgrade"),
  keepAlive: knownId("keep-alive"),
  proxyConnection: knownId("proxy-connection"),
  expect: knownId("expect"),
} as const;

import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createRootCa, issueServingCertificate } from "#x509";
import { peerCertificates } from "./peer-certificate.ts";

test("the chain that a server shows is read without trusting it, for the name asked", async () => {
  const nowMs = Date.now();
  const ca = await createRootCa({ name: "root", lifetimeMs: 3_600_000, nowMs });
  const leaf = await issueServingCertificate(ca, { dnsNames: ["web.test"], lifetimeMs: 3_600_000, nowMs });
  const { promise: asked, resolve: tellName } = Promise.withResolvers<string>();
  const server = createTlsServer({ cert: leaf.certPem, key: leaf.keyPem }, (socket) => {
    tellName((socket as unknown as { servername: string }).servername);
    socket.on("error", () => {});
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    const chain = await peerCertificates({ host: "127.0.0.1", port, serverName: "web.test" });
    expect(Buffer.from(chain[0]!).equals(Buffer.from(leaf.certificate.der))).toBe(true);
    expect(await asked).toBe("web.test");
  } finally {
    server.close();
  }
});

test("a server that speaks no TLS is an error that names it", async () => {
  const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    const asked = peerCertificates({ host: "127.0.0.1", port, serverName: "web.test" });
    await expect(asked).rejects.toThrow(`Cannot read the certificate of web.test at 127.0.0.1:${port}`);
  } finally {
    server.close();
  }
});

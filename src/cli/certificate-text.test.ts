import { expect, test } from "bun:test";
import { createRootCa, issueServingCertificate } from "#x509";
import { certificateText } from "./certificate-text.ts";

test("a leaf is laid out as openssl does", async () => {
  const nowMs = Date.UTC(2026, 10, 5, 4, 10);
  const ca = await createRootCa({ name: "root.test", lifetimeMs: 86_400_000, nowMs });
  const { certificate } = await issueServingCertificate(ca, {
    dnsNames: ["web.shop.test"],
    lifetimeMs: 3_600_000,
    nowMs,
  });
  const lines = certificateText(certificate).split("\n");
  expect(lines[0]).toBe("Certificate:");
  expect(lines).toContain("        Issuer: CN=root.test");
  expect(lines.find((line) => line.includes("Not After"))).toBe("            Not After : Nov  5 05:10:00 2026 UTC");
  expect(lines).toContain("                Public-Key: (256 bit)");
  expect(lines).toContain("                CA:FALSE");
  expect(lines).toContain("                DNS:web.shop.test");
});

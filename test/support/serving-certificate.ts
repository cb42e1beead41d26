import { writeTextAtomically } from "#lib/files";
import { createRootCa, issueServingCertificate } from "#x509";

const HOUR_MS = 3_600_000;

/** Writes a fresh serving certificate for `name` (and localhost) with its key; returns the root to trust, PEM. */
export async function writeServingCertificate(
  { certPath, keyPath }: { readonly certPath: string; readonly keyPath: string },
  name: string,
): Promise<string> {
  const nowMs = Date.now();
  const ca = await createRootCa({ name: "test root", lifetimeMs: HOUR_MS, nowMs });
  const leaf = await issueServingCertificate(ca, { dnsNames: [name, "localhost"], lifetimeMs: HOUR_MS, nowMs });
  writeTextAtomically(keyPath, leaf.keyPem, 0o600);
  writeTextAtomically(certPath, leaf.certPem);
  return ca.certPem;
}

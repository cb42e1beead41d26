import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CSR_KEY, createCsr, generateCsrKeys } from "#x509/csr";
import { toPem } from "#x509/pem";

/** The proxy's key and the request that asks for its certificate. One key for the life of the process. */
export interface KeyAndCsr {
  readonly keyPem: string;
  /** DER. */
  readonly csr: Uint8Array;
}

/** Takes the key that a helper left in the identity directory, or makes one and keeps it there when the directory exists. */
export async function loadOrMakeKey(dir: string, name: string): Promise<KeyAndCsr> {
  const keyPath = join(dir, "key.p8");
  const csrPath = join(dir, "csr.der");
  if (existsSync(keyPath) && existsSync(csrPath)) {
    const der = await exported(await readKey(keyPath));
    return { keyPem: toPem(der, "PRIVATE KEY"), csr: readFileSync(csrPath) };
  }
  const keys = await generateCsrKeys();
  const csr = await createCsr(name, keys);
  const der = await exported(keys.privateKey);
  if (existsSync(dir)) {
    writeSecret(keyPath, der);
    writeSecret(csrPath, csr);
  }
  return { keyPem: toPem(der, "PRIVATE KEY"), csr };
}

async function readKey(path: string): Promise<CryptoKey> {
  const der = readFileSync(path);
  try {
    return await crypto.subtle.importKey("pkcs8", der, CSR_KEY, true, ["sign"]);
  } catch (cause) {
    throw new Error(`Cannot use the key in "${path}": wanted an ECDSA P-256 key as PKCS#8 in DER`, { cause });
  }
}

async function exported(key: CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey("pkcs8", key));
}

function writeSecret(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: 0o600 });
  chmodSync(path, 0o600); // an older file keeps its mode otherwise
}

import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createCsr } from "#x509/csr";

/** The proxy's key and the request that asks for its certificate. One key for the life of the process. */
export interface KeyAndCsr {
  readonly keyPem: string;
  /** DER. */
  readonly csr: Uint8Array;
}

/** Takes the key that a helper left in the identity directory, or makes one and keeps it there when the directory exists. */
export function loadOrMakeKey(dir: string, name: string): KeyAndCsr {
  const keyPath = join(dir, "key.p8");
  const csrPath = join(dir, "csr.der");
  if (existsSync(keyPath) && existsSync(csrPath)) {
    const key = createPrivateKey({ key: readFileSync(keyPath), format: "der", type: "pkcs8" });
    return { keyPem: pemOf(key), csr: readFileSync(csrPath) };
  }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const csr = createCsr(name, privateKey);
  if (existsSync(dir)) {
    writeSecret(keyPath, privateKey.export({ format: "der", type: "pkcs8" }));
    writeSecret(csrPath, csr);
  }
  return { keyPem: pemOf(privateKey), csr };
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }) as string;
}

function writeSecret(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: 0o600 });
  chmodSync(path, 0o600); // an older file keeps its mode otherwise
}

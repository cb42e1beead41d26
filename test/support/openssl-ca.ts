/** Certificates made by OpenSSL's command, so that what reads ours reads another's as well. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What `openssl req -newkey` calls the kinds of key. */
export const OPENSSL_KEYS = {
  "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "RSA-2048": ["rsa:2048"],
  Ed25519: ["ed25519"],
} as const;

export interface OpensslCertificate {
  /** Of its files, without their endings. */
  readonly path: string;
  readonly pem: string;
  readonly der: Uint8Array;
}

export interface OpensslOptions {
  /** The common name. */
  readonly name: string;
  /** Itself when absent. */
  readonly issuer?: OpensslCertificate;
  readonly key?: keyof typeof OPENSSL_KEYS;
  readonly digest?: "sha256" | "sha384" | "sha512";
  /** Lines of an extensions section. */
  readonly extensions?: readonly string[];
  readonly days?: number;
}

export const CA_EXTENSIONS = ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign"];

/** A directory of certificates that know each other's keys. */
export class OpensslCa {
  readonly #dir = mkdtempSync(join(tmpdir(), "openssl-ca-"));
  #issuedCount = 0;

  /** A certificate valid from now on. */
  issue({ name, issuer, key = "P-256", digest = "sha256", extensions = CA_EXTENSIONS, days = 10 }: OpensslOptions) {
    const path = join(this.#dir, String(++this.#issuedCount));
    const file = (suffix: string) => `${path}.${suffix}`;
    writeFileSync(file("cnf"), "[req]\ndistinguished_name=dn\n[dn]\n");
    writeFileSync(file("ext"), extensions.join("\n"));
    const request = ["-config", file("cnf"), "-subj", `/CN=${name}`, "-keyout", file("key"), "-out", file("csr")];
    openssl("req", "-new", "-nodes", "-newkey", ...OPENSSL_KEYS[key], ...request);
    const signer = issuer ? ["-CA", `${issuer.path}.crt`, "-CAkey", `${issuer.path}.key`] : ["-signkey", file("key")];
    const content = ["-in", file("csr"), "-extfile", file("ext"), "-days", String(days), "-set_serial", "4660"];
    openssl("x509", "-req", ...content, ...signer, `-${digest}`, "-out", file("crt"));
    const pem = readFileSync(file("crt"), "utf8");
    return { path, pem, der: Buffer.from(pem.split("-----")[2]!, "base64") } satisfies OpensslCertificate;
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }
}

function openssl(...args: string[]): void {
  const run = Bun.spawnSync(["openssl", ...args]);
  if (run.exitCode !== 0) throw new Error(`openssl ${args[0]}: ${run.stderr.toString()}`);
}

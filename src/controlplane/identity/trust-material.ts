import type { Clock, Timer } from "#lib/clock";
import { readTextIfThere } from "#lib/files";
import { Authority, type Certificate, parseCertificates, validityError, verifyChain } from "#x509";

export interface TrustFiles {
  /** `crt.pem` and `key.pem` (scheme linkerd.io/tls) or `tls.crt` and `tls.key`. */
  readonly issuerCertPath: string;
  readonly issuerKeyPath: string;
  readonly trustRootsPath: string;
  /** Roots given as text; used while the file is not there. */
  readonly trustRootsPem?: string | undefined;
}

/** The issuer and the roots it was verified against. */
export interface TrustMaterial {
  readonly authority: Authority;
  readonly roots: readonly Certificate[];
  /** From the issuer up to the root it leads to; their signatures were verified when it was loaded. */
  readonly path: readonly Certificate[];
  /** The earliest expiry on the way from the issuer to its root. */
  readonly notAfterMs: number;
}

/** What a reload came to. A refused one leaves the last good material in force. */
export type Reload =
  | { readonly outcome: "updated"; readonly material: TrustMaterial }
  | { readonly outcome: "refused"; readonly error: string };

const CHECK_EVERY_MS = 2_000; // kubelets replace mounted files within a minute or so; a poll also survives a lost watch

/**
 * The issuer's certificate and key and the trust roots, as files that others rotate.
 * Roots may overlap: the issuer needs to lead to one of them. Both are compared by content, so any way of replacing works.
 */
export class TrustStore {
  readonly #files: TrustFiles;
  readonly #clock: Clock;
  readonly #onReload: (reload: Reload) => void;
  #material: TrustMaterial | undefined;
  #seen = "";
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(files: TrustFiles, clock: Clock, onReload: (reload: Reload) => void) {
    this.#files = files;
    this.#clock = clock;
    this.#onReload = onReload;
  }

  /** The material in force; undefined before the first load. */
  get material(): TrustMaterial | undefined {
    return this.#material;
  }

  /** Loads for the first time; throws when that does not work. Then checks again and again. */
  async start(): Promise<void> {
    const texts = this.#read();
    this.#seen = texts.join("\0");
    this.#material = await load(texts, this.#clock.wallMs());
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Looks at the files now. Reports only what differs from the last look. */
  async check(): Promise<void> {
    const texts = this.#read();
    const content = texts.join("\0");
    if (content === this.#seen) return;
    this.#seen = content;
    try {
      this.#material = await load(texts, this.#clock.wallMs());
      this.#onReload({ outcome: "updated", material: this.#material });
    } catch (error) {
      this.#onReload({ outcome: "refused", error: (error as Error).message });
    }
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = this.#clock.schedule(CHECK_EVERY_MS, () => {
      void this.check()
        .catch((error: Error) => this.#onReload({ outcome: "refused", error: error.message }))
        .finally(() => this.#schedule());
    });
  }

  #read(): [cert: string, key: string, roots: string] {
    const { issuerCertPath, issuerKeyPath, trustRootsPath, trustRootsPem } = this.#files;
    return [
      required(issuerCertPath, readTextIfThere(issuerCertPath)),
      required(issuerKeyPath, readTextIfThere(issuerKeyPath)),
      required(trustRootsPath, readTextIfThere(trustRootsPath) ?? trustRootsPem),
    ];
  }
}

function required(path: string, text: string | undefined): string {
  if (text === undefined)
    throw new Error(`Cannot read "${path}": no such file; mount the issuer Secret and the trust roots`);
  return text;
}

async function load([cert, key, rootsPem]: [string, string, string], nowMs: number): Promise<TrustMaterial> {
  const roots = parseCertificates(rootsPem);
  if (roots.length === 0) throw new Error("Cannot load trust roots: the bundle holds no PEM certificate");
  const authority = await Authority.load(cert, key);
  const intermediates = authority.chain.slice(1);
  const { path, error } = verifyChain({ certificate: authority.certificate, intermediates, roots, nowMs });
  if (!path) throw new Error(`Cannot use issuer "${authority.certificate.subject}" with these trust roots: ${error}`);
  return { authority, roots, path, notAfterMs: Math.min(...path.map((certificate) => certificate.notAfterMs)) };
}

/** Why material that was verified when loaded cannot be used at `nowMs`; undefined when it can. */
export function expiryError({ path }: TrustMaterial, nowMs: number): string | undefined {
  return path.map((certificate) => validityError(certificate, nowMs)).find((error) => error !== undefined);
}

import type { Clock } from "#lib/clock";
import { GRPC_STATUS, GrpcError } from "#net/grpc-server";
import type { CertifyRequest, CertifyResponse } from "#proto/identity";
import { type CertificateRequest, parseCsr } from "#x509";
import {
  identityOf,
  parseServiceAccount,
  requestError,
  type ServiceAccountName,
  type TrustDomain,
  validityAt,
} from "./core.ts";
import { expiryError, type TrustMaterial } from "./trust-material.ts";

export interface CertifierOptions {
  readonly domain: TrustDomain;
  readonly lifetimeMs: number;
  /** How far the clocks of proxies may be off. */
  readonly skewMs: number;
  readonly clock: Clock;
  readonly material: () => TrustMaterial | undefined;
  readonly usernameOf: (token: string) => Promise<string>;
  readonly onIssued?: (account: ServiceAccountName, identity: string, notAfterMs: number) => void;
  /** Told when the issuer no longer leads to the trust roots. */
  readonly onInvalidIssuer?: (error: string) => void;
}

/** Turns a proven ServiceAccount and a signing request into a certificate for that account's identity, and nothing else. */
export class Certifier {
  readonly #options: CertifierOptions;

  constructor(options: CertifierOptions) {
    this.#options = options;
  }

  /** Cheap and local checks first, the API server last. Throws `GrpcError`. */
  async certify(request: CertifyRequest): Promise<CertifyResponse> {
    const { identity, token } = request;
    if (identity === "" || token.length === 0)
      throw refuse("INVALID_ARGUMENT", "The request needs an identity and a token");
    const csr = await this.#checkedCsr(request);
    this.#validMaterial();
    const account = await this.#account(token);
    const own = identityOf(account, this.#options.domain);
    if (own !== identity) {
      throw refuse("FAILED_PRECONDITION", `The token is that of "${own}", but the request is for "${identity}"`);
    }
    return this.#issue(csr, account, identity);
  }

  async #checkedCsr({ identity, certificateSigningRequest }: CertifyRequest): Promise<CertificateRequest> {
    const { value, error } = await parseCsr(certificateSigningRequest);
    if (!value) throw refuse("INVALID_ARGUMENT", error ?? "Cannot accept the certificate signing request");
    const wrong = requestError(value, identity);
    if (wrong) throw refuse("FAILED_PRECONDITION", `Cannot accept the certificate signing request: ${wrong}`);
    return value;
  }

  #validMaterial(): TrustMaterial {
    const material = this.#options.material();
    if (!material) throw refuse("UNAVAILABLE", "The issuer is not loaded yet");
    const error = expiryError(material, this.#options.clock.wallMs());
    if (!error) return material;
    this.#options.onInvalidIssuer?.(error);
    throw refuse("UNAVAILABLE", `The issuer cannot sign: ${error}; replace the issuer's certificate`);
  }

  async #account(token: Uint8Array): Promise<ServiceAccountName> {
    const username = await this.#options.usernameOf(new TextDecoder().decode(token).trim());
    const account = parseServiceAccount(username);
    if (!account) throw refuse("INVALID_ARGUMENT", `The token's user "${username}" is not a ServiceAccount`);
    return account;
  }

  #issue(csr: CertificateRequest, account: ServiceAccountName, identity: string): CertifyResponse {
    const { authority, notAfterMs: issuerNotAfterMs } = this.#validMaterial();
    const { clock, lifetimeMs, skewMs } = this.#options;
    const validity = validityAt(clock.wallMs(), lifetimeMs, skewMs, issuerNotAfterMs);
    const leaf = authority.issueLeaf({
      publicKeyDer: csr.publicKeyDer,
      commonName: csr.commonName,
      dnsNames: [identity],
      ...validity,
    });
    this.#options.onIssued?.(account, identity, validity.notAfterMs);
    return {
      leafCertificate: leaf,
      intermediateCertificates: authority.chain.map((certificate) => certificate.der),
      validUntil: new Date(validity.notAfterMs).toISOString(),
    };
  }
}

function refuse(code: keyof typeof GRPC_STATUS, message: string): GrpcError {
  return new GrpcError(GRPC_STATUS[code], message);
}

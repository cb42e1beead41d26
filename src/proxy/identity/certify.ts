import { CertifyRequest, CertifyResponse } from "#proto/identity";
import type { GrpcChannel } from "../control/channel.ts";
import { type Certificate, pemOfDer } from "./certificate.ts";

const CERTIFY = "/io.linkerd.proxy.identity.Identity/Certify";

/** Asks the identity service to certify a request. A channel of its own for each attempt, as the certificate it shows changes. */
export function certify(
  makeChannel: () => GrpcChannel,
  name: string,
  csr: Uint8Array,
  token: string,
): Promise<Certificate> {
  const channel = makeChannel();
  const request = { identity: name, token: Buffer.from(token, "utf8"), certificateSigningRequest: csr };
  const answered = new Promise<Certificate>((resolve, reject) => {
    let certificate: Certificate | undefined;
    channel.call(CERTIFY, CertifyRequest.encode(request).finish(), {
      message: (bytes) => (certificate = readResponse(CertifyResponse.decode(bytes))),
      closed: ({ code, message }) => {
        if (code === 0 && certificate) resolve(certificate);
        else reject(new Error(`The identity service answered with status ${code}: ${message || "no certificate"}`));
      },
    });
  });
  return answered.finally(() => channel.close());
}

function readResponse(response: CertifyResponse): Certificate {
  const expiresAtMs = Date.parse(response.validUntil ?? "");
  return {
    chainPem: pemOfDer([response.leafCertificate, ...response.intermediateCertificates]),
    expiresAtMs: Number.isNaN(expiresAtMs) ? 0 : expiresAtMs,
  };
}

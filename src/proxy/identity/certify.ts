import type { Clock, Timer } from "#lib/clock";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import type { GrpcChannel } from "../control/channel.ts";
import { type Certificate, pemOfDer } from "./certificate.ts";

const CERTIFY = "/io.linkerd.proxy.identity.Identity/Certify";

/**
 * Asks the identity service to certify a request. A channel of its own for each attempt, as the certificate it shows changes.
 * Rejects when no usable answer came within `ANSWER_MS`: a service that is stuck must not stop renewal for ever.
 */
export function certify(
  makeChannel: () => GrpcChannel,
  name: string,
  csr: Uint8Array,
  token: string,
  clock: Clock,
): Promise<Certificate> {
  const channel = makeChannel();
  const request = { identity: name, token: Buffer.from(token, "utf8"), certificateSigningRequest: csr };
  let timer: Timer | undefined;
  const answered = new Promise<Certificate>((resolve, reject) => {
    let certificate: Certificate | undefined;
    timer = clock.schedule(ANSWER_MS, () =>
      reject(new Error(`The identity service gave no answer in ${ANSWER_MS} ms`)),
    );
    channel.call(CERTIFY, CertifyRequest.encode(request).finish(), {
      message: (bytes) => {
        try {
          certificate = readResponse(CertifyResponse.decode(bytes));
        } catch (cause) {
          reject(new Error(`Cannot read the identity service's answer: ${(cause as Error).message}`, { cause }));
        }
      },
      closed: ({ code, message }) => {
        if (code === 0 && certificate) resolve(certificate);
        else reject(new Error(`The identity service answered with status ${code}: ${message || "no certificate"}`));
      },
    });
  });
  return answered.finally(() => {
    timer?.cancel();
    channel.close();
  });
}

/** Far above what signing takes, also when a whole cluster asks at once; far below the life of a certificate. */
const ANSWER_MS = 30_000;

function readResponse(response: CertifyResponse): Certificate {
  const expiresAtMs = Date.parse(response.validUntil ?? "");
  return {
    chainPem: pemOfDer([response.leafCertificate, ...response.intermediateCertificates]),
    expiresAtMs: Number.isNaN(expiresAtMs) ? 0 : expiresAtMs,
  };
}

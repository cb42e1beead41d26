/**
 * Certificate requests to the identity service, as its own sidecar hands them over. Prints one JSON object.
 *   bun certify.ts HOST PORT NAME TOKEN SECONDS CONCURRENCY
 */
import { GrpcClient } from "#net/grpc-client";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import { createCsr, generateCsrKeys } from "#x509/csr";

const [host, port, name, token, seconds, concurrency] = process.argv.slice(2) as string[];
const PATH = "/io.linkerd.proxy.identity.Identity/Certify";
const request: CertifyRequest = {
  identity: name!,
  token: new TextEncoder().encode(token),
  certificateSigningRequest: await createCsr(name!, await generateCsrKeys()),
};
const client = new GrpcClient({ host: host!, port: Number(port) });
const startedAtMs = performance.now();
const endMs = startedAtMs + Number(seconds) * 1_000;
let issued = 0;

async function worker(): Promise<void> {
  while (performance.now() < endMs) {
    const answer = await client.unary(PATH, CertifyRequest, CertifyResponse, request);
    if (answer.leafCertificate.length === 0) throw new Error("An answer without a certificate");
    issued++;
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, worker));
const ms = performance.now() - startedAtMs;
client.close();
console.log(JSON.stringify({ issued, ms }));
process.exit(0);

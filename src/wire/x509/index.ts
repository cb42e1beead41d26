/**
 * X.509 for the control plane and the command line: CAs, leaves, requests and chains, on @peculiar/x509 and node:crypto.
 * The proxy does not come here: it writes its own request (`#x509/csr`), which saves it 16 MB.
 *
 * Reading order: pem.ts, keys.ts (kinds of key we accept) · certificate.ts (reading) · chain.ts (trusting) · parse-csr.ts
 * · authority.ts (issuing). Default key: P-256; P-384, Ed25519 and RSA of 2048 bits and more are accepted.
 */
export * from "./authority.ts";
export { type Certificate, parseCertificate, parseCertificates } from "./certificate.ts";
export { authorityError, type ChainQuestion, type ChainVerdict, validityError, verifyChain } from "./chain.ts";
export { generatePrivateKey, KEY_KINDS, type KeyKind, keyKindOf, parsePrivateKey, publicKeyDer } from "./keys.ts";
export { type CertificateRequest, type ParsedCsr, parseCsr } from "./parse-csr.ts";
export { pemBlocks, toPem } from "./pem.ts";

/**
 * X.509 for the control plane and the command line: CAs, leaves, requests and chains, on @peculiar/x509 and node:crypto.
 * The proxy does not come here, as either would cost every pod memory: it has doors of its own to what needs neither,
 * `#x509/csr`, `#x509/read-certificate` and `#x509/signature`.
 *
 * Reading order: pem.ts, der.ts (writing), der-reader.ts, ecdsa.ts, object-ids.ts, extensions.ts, signature.ts
 * · csr.ts, read-certificate.ts (the proxy's) · keys.ts (kinds of key we accept) · certificate.ts (reading) · chain.ts
 * (trusting) · parse-csr.ts · authority.ts (issuing), leaf.ts. Default key: P-256; P-384, Ed25519 and RSA of 2048 bits and
 * more are accepted.
 */
export * from "./authority.ts";
export { type Certificate, parseCertificate, parseCertificates } from "./certificate.ts";
export { authorityError, type ChainQuestion, type ChainVerdict, validityError, verifyChain } from "./chain.ts";
export { generatePrivateKey, KEY_KINDS, type KeyKind, keyKindOf, parsePrivateKey, publicKeyDer } from "./keys.ts";
export { type CertificateRequest, type ParsedCsr, parseCsr } from "./parse-csr.ts";
export { pemBlocks, toPem } from "./pem.ts";

/**
 * Tells from the first bytes of a connection whether it is TLS, for whom (SNI) and for what (ALPN), so that a proxy can
 * decide to terminate or to pass on. Reads the ClientHello only; no session is begun, nothing is consumed.
 */
export { type ClientHello, readClientHello } from "./client-hello.ts";

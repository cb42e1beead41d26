/**
 * The preface of a connection made straight to a proxy's inbound port: which port (and, at a gateway, which name) it is for
 * and what it speaks. Sent by the client right after the TLS handshake when ALPN `transport.l5d.io/v1` was agreed.
 */
export {
  encodeTransportHeader,
  MAX_TRANSPORT_HEADER_BYTES,
  readTransportHeader,
  type TransportHeader,
  type TransportHeaderReading,
} from "./transport-header.ts";

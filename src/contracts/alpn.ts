/** ALPN protocol of a connection made straight to a proxy's inbound port: a transport header follows the handshake. */
export const ALPN_TRANSPORT_HEADER = "transport.l5d.io/v1";

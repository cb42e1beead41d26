/** A key, its certificate chain and the roots that vouch for peers, all PEM. The key is never logged. */
export interface TlsFiles {
  readonly keyPem: string;
  /** Leaf first, then intermediates. Empty before the first certificate. */
  readonly certPem: string;
  readonly trustRootsPem: string;
}

/** What a client wants of the server it dials. */
export interface ClientTls {
  readonly files: TlsFiles;
  /** SNI. */
  readonly serverName: string;
  /** A DNS or URI name that the server's certificate must carry. */
  readonly expectedId: string;
  readonly alpn: readonly string[];
}

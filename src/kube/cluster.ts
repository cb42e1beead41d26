/** Proof of who is calling, as of now. Never logged. */
export interface Credentials {
  /** The value of the Authorization header. */
  readonly authorization?: string | undefined;
  /** A client certificate and its key, PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined;
  /** Act as someone else, where the caller may; one group, since a repeated header cannot be sent here. */
  readonly impersonate?: { readonly user: string; readonly group?: string | undefined } | undefined;
}

/** The headers that say who is calling. */
export function credentialHeaders({ authorization, impersonate }: Credentials): Record<string, string> {
  return {
    ...(authorization ? { authorization } : {}),
    ...(impersonate ? { "impersonate-user": impersonate.user } : {}),
    ...(impersonate?.group ? { "impersonate-group": impersonate.group } : {}),
  };
}

/** How to reach one API server, and as whom. */
export interface Cluster {
  /** `https://host:port`, without a path at the end unless the server lives under one. */
  readonly server: string;
  /** PEM certificates that the server's chain must end at; undefined means the machine's own roots. */
  readonly ca?: string | undefined;
  /** The name to verify instead of the URL's host. */
  readonly serverName?: string | undefined;
  /** True only when a kubeconfig says `insecure-skip-tls-verify`. */
  readonly skipVerify?: boolean | undefined;
  /** The namespace commands use when none is given. */
  readonly namespace: string;
  /** The kubeconfig context's name; `in-cluster` in a pod. */
  readonly context: string;
  /** Asked before every call, so that rotated tokens are picked up. */
  credentials(): Promise<Credentials>;
}

/** The options that Bun's `fetch` and `WebSocket` take to speak TLS to this cluster. */
export function tlsOptions(cluster: Cluster, credentials: Credentials): Bun.TLSOptions {
  const tls: Bun.TLSOptions = {};
  if (cluster.ca !== undefined) tls.ca = cluster.ca;
  if (cluster.serverName !== undefined) tls.serverName = cluster.serverName;
  if (cluster.skipVerify) tls.rejectUnauthorized = false;
  if (credentials.certificate) {
    tls.cert = credentials.certificate.cert;
    tls.key = credentials.certificate.key;
  }
  return tls;
}

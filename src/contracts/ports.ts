/** Ports of the mesh's own programs, as Linkerd numbers them. */
export const PORTS = {
  proxyOutbound: 4140,
  proxyInbound: 4143,
  proxyTap: 4190,
  proxyAdmin: 4191,
  identity: 8080,
  destination: 8086,
  policy: 8090,
  policyWebhook: 9443,
  webhook: 8443,
  identityAdmin: 9990,
  policyAdmin: 9990,
  injectorAdmin: 9995,
  destinationAdmin: 9996,
  spValidatorAdmin: 9997,
  metricsApi: 8085,
  metricsApiAdmin: 9995,
  prometheus: 9090,
} as const;

/** The user the proxy runs as; network rules let its own connections through unredirected. */
export const PROXY_UID = 2102;
/** The user of control-plane programs. */
export const CONTROLLER_UID = 2103;

/** Ports whose protocol is taken as opaque unless said otherwise (SMTP, MySQL, Galera, PostgreSQL, Redis, Elasticsearch, Memcached). */
export const DEFAULT_OPAQUE_PORTS = "25,587,3306,4444,5432,6379,9300,11211";

/** Networks that are taken as inside the cluster. */
export const DEFAULT_CLUSTER_NETWORKS = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8";

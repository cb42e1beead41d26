import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type Clock, systemClock } from "#lib/clock";
import { type Log, silentLog } from "#lib/log";
import { systemRandom } from "#lib/random";
import { StatusError } from "../store/status.ts";
import { Store } from "../store/store.ts";
import { AdmissionChain } from "./admission/webhooks.ts";
import { Aggregation } from "./aggregation.ts";
import { authenticate, impersonate } from "./authenticate.ts";
import { Authorizer } from "./authorize.ts";
import { bootstrap } from "./bootstrap.ts";
import type { Call, Parts } from "./call.ts";
import { CertificateAuthority, type KeyPair } from "./certificate.ts";
import { InProcessClient } from "./client.ts";
import type { ApiClient } from "./in-process.ts";
import type { NodeGateway } from "./node-gateway.ts";
import { Objects } from "./objects.ts";
import { sendStatus } from "./respond.ts";
import { route } from "./route.ts";
import { refuseUpgrade, upgrade } from "./streams/upgrade.ts";
import { TokenIssuer } from "./tokens.ts";
import { Types } from "./types.ts";
import { systemUser, type User } from "./users.ts";

/** A host and port, or the path of a unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ApiServerOptions {
  /** Everything served with the same certificate. Port 0 takes a free one. */
  readonly listen: readonly ListenAddress[];
  /** Address in the kubeconfig; default: the first TCP address. */
  readonly publicUrl?: string;
  /** Further names and IPv4 addresses for the certificate. */
  readonly dnsNames?: readonly string[];
  readonly ipv4?: readonly string[];
  /** Where pods reach the server: the endpoint of `default/kubernetes`. Default: the first TCP address. */
  readonly podAddress?: { readonly host: string; readonly port: number };
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface ApiServer {
  /** What was bound, in the order of `listen`. */
  readonly addresses: readonly ListenAddress[];
  /** PEM of the CA of the server's and the admin's certificates. */
  readonly caPem: string;
  /** A kubeconfig for the admin, optionally for another address. It holds a private key: mode 0600. */
  kubeconfig(url?: string): string;
  readonly store: Store;
  readonly tokens: TokenIssuer;
  readonly types: Types;
  /** An in-process client; as the playground's own parts unless a user is given. */
  client(fieldManager: string, user?: User): ApiClient;
  /** The node agent, once it runs. */
  useNode(node: NodeGateway): void;
  /** Stops listening and cuts what is open. */
  close(): Promise<void>;
}

const FRONT_PROXY = "front-proxy-client";
const YEAR_MS = 365 * 86_400_000;
/** A request head larger than this is refused. */
const MAX_HEADER_BYTES = 64 * 1024;

const NAMES = [
  "localhost",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];
const ADDRESSES = ["127.0.0.1", "10.96.0.1", "10.244.0.1"];

/** Starts a Kubernetes API server with its own CA, store and default objects; resolves when it answers. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLog;
  const ca = new CertificateAuthority("kubernetes", clock.wallMs(), 10 * YEAR_MS);
  const issue = (
    commonName: string,
    more: { organizations?: string[]; dnsNames?: string[]; ipv4?: string[] },
  ): KeyPair => ca.issue({ commonName, nowMs: clock.wallMs(), lifetimeMs: YEAR_MS, ...more });
  const served = issue("kube-apiserver", {
    dnsNames: [...NAMES, ...(options.dnsNames ?? [])],
    ipv4: [...new Set([...ADDRESSES, ...(options.ipv4 ?? [])])],
  });
  const admin = issue("kubernetes-admin", { organizations: ["system:masters"] });

  const store = new Store();
  const types = new Types(store);
  const objects = new Objects(store, types, clock);
  const frontCa = new CertificateAuthority("front-proxy-ca", clock.wallMs(), 10 * YEAR_MS);
  const aggregation = new Aggregation({
    store,
    clock,
    random: systemRandom,
    log,
    frontProxy: frontCa.issue({ commonName: FRONT_PROXY, nowMs: clock.wallMs(), lifetimeMs: YEAR_MS }),
    async setStatus(service, status) {
      await new InProcessClient(
        { store, types, objects },
        systemUser("system:aggregator"),
        "kube-aggregator",
      ).updateStatus("apiservices.apiregistration.k8s.io", { ...service, status });
    },
  });
  let node: NodeGateway | undefined;
  const parts: Parts = {
    store,
    types,
    objects,
    authorizer: new Authorizer(store),
    tokens: new TokenIssuer(store, clock),
    aggregation,
    clock,
    log,
    node: () => node,
  };
  const listener = new Listener(parts, served, ca.certPem);
  const addresses = await listener.listen(options.listen);
  const tcp = addresses.find((address) => "host" in address);
  const podAddress = options.podAddress ?? tcp ?? { host: "10.96.0.1", port: 443 };
  await bootstrap(objects, {
    caPem: ca.certPem,
    requestHeaderCaPem: frontCa.certPem,
    frontProxyName: FRONT_PROXY,
    apiAddress: podAddress.host,
    apiPort: podAddress.port,
  });
  objects.useAdmission(new AdmissionChain({ store, types, clock, random: systemRandom, log }));
  const defaultUrl = options.publicUrl ?? (tcp ? `https://${tcp.host}:${tcp.port}` : "https://localhost");
  return {
    addresses,
    caPem: ca.certPem,
    kubeconfig: (url = defaultUrl) => kubeconfigText(url, ca.certPem, admin),
    store,
    tokens: parts.tokens,
    types,
    client: (fieldManager, user = systemUser(`system:${fieldManager}`)) =>
      new InProcessClient(parts, user, fieldManager),
    useNode(gateway) {
      node = gateway;
    },
    async close() {
      aggregation.close();
      await listener.close();
    },
  };
}

/** One HTTP server fed by any number of TLS listeners: node's https server would not show client certificates on Bun. */
class Listener {
  readonly #parts: Parts;
  readonly #http: Server;
  readonly #tls: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly #servers: TlsServer[] = [];
  readonly #sockets = new Set<TLSSocket>();

  constructor(parts: Parts, served: KeyPair, caPem: string) {
    this.#parts = parts;
    this.#tls = { cert: served.certPem, key: served.keyPem, ca: caPem };
    this.#http = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES },
      (request, response) => void this.#answer(request, response),
    );
    this.#http.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket, head),
    );
    this.#http.requestTimeout = 0;
    this.#http.keepAliveTimeout = 120_000;
    this.#http.timeout = 0; // watches may be silent for long
  }

  async listen(wanted: readonly ListenAddress[]): Promise<ListenAddress[]> {
    const bound: ListenAddress[] = [];
    for (const address of wanted) bound.push(await this.#bind(address));
    return bound;
  }

  #bind(address: ListenAddress): Promise<ListenAddress> {
    const server = createTlsServer({ ...this.#tls, requestCert: true, rejectUnauthorized: false }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {}); // a client that breaks off is no news; close follows
      socket.on("close", () => this.#sockets.delete(socket));
      this.#http.emit("connection", socket);
    });
    server.on("tlsClientError", () => {}); // not TLS, or not willing: the socket is closed already
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      const done = () => {
        const real = server.address();
        resolve(
          "path" in address
            ? address
            : { host: address.host, port: typeof real === "object" ? real!.port : address.port },
        );
      };
      if ("path" in address) server.listen(address.path, done);
      else server.listen(address.port, address.host, done);
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const warnings: string[] = [];
    response.on("error", () => {}); // the client has gone
    try {
      const call = this.#callOf(request, response, warnings);
      await route(call);
    } catch (thrown) {
      const refusal = StatusError.from(thrown);
      if (refusal.reason === "InternalError")
        this.#parts.log.error("Cannot answer a request", {
          method: request.method,
          path: request.url,
          cause: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
        });
      sendStatus(response, refusal, warnings);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    try {
      const url = urlOf(request);
      const user = impersonate(request, authenticate(request, url.pathname, this.#parts.tokens));
      await upgrade({ parts: this.#parts, request, socket, head, url, user });
    } catch (thrown) {
      refuseUpgrade(socket, StatusError.from(thrown));
    }
  }

  #callOf(request: IncomingMessage, response: ServerResponse, warnings: string[]): Call {
    const url = urlOf(request);
    const user = impersonate(request, authenticate(request, url.pathname, this.#parts.tokens));
    return { parts: this.#parts, request, response, url, user, warnings };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve()))),
    );
  }
}

/** The request target as a URL; BadRequest for what cannot be one. */
export function urlOf(request: IncomingMessage): URL {
  const target = request.url ?? "/";
  if (!target.startsWith("/") || !URL.canParse(`https://playground${target}`))
    throw StatusError.badRequest(
      `Cannot read the request target ${JSON.stringify(target.slice(0, 200))}: wanted an absolute path`,
    );
  return new URL(`https://playground${target}`);
}

function kubeconfigText(url: string, caPem: string, admin: KeyPair): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return `apiVersion: v1
kind: Config
clusters:
- name: playground
  cluster:
    server: ${url}
    certificate-authority-data: ${base64(caPem)}
users:
- name: playground-admin
  user:
    client-certificate-data: ${base64(admin.certPem)}
    client-key-data: ${base64(admin.keyPem)}
contexts:
- name: playground
  context:
    cluster: playground
    user: playground-admin
current-context: playground
`;
}

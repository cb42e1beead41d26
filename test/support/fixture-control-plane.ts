import * as grpc from "@grpc/grpc-js";
import { systemClock } from "#lib/clock";
import { dialTcp } from "#net/dial";
import { listenTcp, type TcpListener, type TcpTransport } from "#net/tcp";
import { DestinationProfile, GetDestination, Update, type WeightedAddr } from "#proto/destination";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import { PortSpec, Server } from "#proto/inbound";
import { OutboundPolicy, TrafficSpec } from "#proto/outbound";
import { Authority, type CertifiedKey, createRootCa, parseCsr, pemBlocks } from "#x509";
import { OpaqueRelay } from "../../src/proxy/relay/opaque.ts";

const HOUR_MS = 3_600_000;
export const CONTROL_PLANE_ID = "linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local";
export const IDENTITY_ID = "linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local";

/** The mesh name of a service account in the namespace `shop`. */
export function meshId(serviceAccount: string): string {
  return `${serviceAccount}.shop.serviceaccount.identity.linkerd.cluster.local`;
}

/**
 * A control plane for tests of the proxy: real gRPC servers (grpc-js) behind mesh TLS, a real issuer, and answers that
 * the test sets and changes. Streams get the current answer first and every change after it.
 */
export class FixtureControlPlane {
  readonly profiles = new Answers<DestinationProfile>(); // by "ip:port"
  readonly endpoints = new Answers<Update>(); // by "name:port"
  readonly outbound = new Answers<OutboundPolicy>(); // by "ip:port"
  readonly inbound = new Answers<Server>(); // by port
  readonly certified: string[] = [];
  readonly root: CertifiedKey;
  readonly #issuer: Authority;
  readonly #ip: string;
  #servers: { grpc: grpc.Server; listener: TcpListener }[] = [];
  readonly #transports = new Set<TcpTransport>();
  #ports = { identity: 0, destination: 0, policy: 0 };

  private constructor(root: CertifiedKey, issuer: Authority, ip: string) {
    this.root = root;
    this.#issuer = issuer;
    this.#ip = ip;
  }

  static async make(ip: string): Promise<FixtureControlPlane> {
    const root = await createRootCa({
      name: "root.linkerd.cluster.local",
      lifetimeMs: 24 * HOUR_MS,
      nowMs: Date.now(),
    });
    return new FixtureControlPlane(root, await Authority.load(root.certPem, root.keyPem), ip);
  }

  get ports(): { identity: number; destination: number; policy: number } {
    return this.#ports;
  }

  /** Serves; again after `stop`, at the same ports. */
  async start(): Promise<void> {
    const ports = this.#ports;
    this.#ports = {
      identity: await this.#serve(IDENTITY_ID, ports.identity, this.#identityService()),
      destination: await this.#serve(CONTROL_PLANE_ID, ports.destination, this.#destinationService()),
      policy: await this.#serve(CONTROL_PLANE_ID, ports.policy, this.#policyService()),
    };
  }

  /** Dies: every connection is cut. */
  stop(): void {
    for (const { grpc: server, listener } of this.#servers) {
      listener.stop();
      server.forceShutdown();
    }
    for (const transport of this.#transports) transport.terminate();
    this.#transports.clear();
    this.#servers = [];
  }

  /** A key and certificate for a name, as a workload would get them. */
  async issue(name: string): Promise<{ certPem: string; keyPem: string }> {
    const { issueServingCertificate } = await import("#x509");
    return issueServingCertificate(this.root, { dnsNames: [name], lifetimeMs: HOUR_MS, nowMs: Date.now() });
  }

  async #serve(
    name: string,
    port: number,
    services: [grpc.ServiceDefinition, grpc.UntypedServiceImplementation][],
  ): Promise<number> {
    const server = new grpc.Server();
    for (const [definition, implementation] of services) server.addService(definition, implementation);
    const inner = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (failure, bound) =>
        failure ? reject(failure) : resolve(bound),
      ),
    );
    const { certPem, keyPem } = await this.issue(name);
    const files = { certPem, keyPem, trustRootsPem: this.root.certPem };
    const listener = listenTcp({ hostname: this.#ip, port, accept: (client) => this.#terminate(client, files, inner) });
    this.#servers.push({ grpc: server, listener });
    return listener.address.port;
  }

  /** What the control plane's own sidecar does: ends mesh TLS and passes plaintext on. */
  #terminate(
    client: TcpTransport,
    files: { certPem: string; keyPem: string; trustRootsPem: string },
    port: number,
  ): void {
    this.#transports.add(client);
    client.startTlsServer(files, [], (failure) => {
      if (failure !== undefined) {
        client.terminate();
        return;
      }
      client.pause();
      dialTcp({ address: { ip: "127.0.0.1", port }, timeoutMs: 1000 }, systemClock, {
        connected: (server) => {
          const nothing = { chunks: [], hasEnded: false };
          new OpaqueRelay(client, server, () => this.#transports.delete(client)).start(nothing, nothing);
        },
        failed: () => client.terminate(),
      });
    });
  }

  #identityService(): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation][] {
    const Certify = unary("/io.linkerd.proxy.identity.Identity/Certify", CertifyRequest, CertifyResponse);
    const handler: grpc.handleUnaryCall<CertifyRequest, CertifyResponse> = (call, callback) => {
      this.#certify(call.request).then(
        (response) => callback(null, response),
        (cause: Error) => callback({ code: 9, message: cause.message }),
      );
    };
    return [[{ Certify }, { Certify: handler }]];
  }

  async #certify(request: CertifyRequest): Promise<CertifyResponse> {
    if (!Buffer.from(request.token).toString().startsWith("token-of-")) throw new Error("the token is not valid");
    const { value, error } = await parseCsr(request.certificateSigningRequest);
    if (!value) throw new Error(error);
    const notAfterMs = Date.now() + HOUR_MS;
    const der = await this.#issuer.issueLeaf({
      publicKeyDer: value.publicKeyDer,
      commonName: undefined,
      dnsNames: [request.identity],
      notBeforeMs: Date.now() - 10_000,
      notAfterMs,
    });
    this.certified.push(request.identity);
    return { leafCertificate: der, intermediateCertificates: [], validUntil: new Date(notAfterMs).toISOString() };
  }

  #destinationService(): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation][] {
    const base = "/io.linkerd.proxy.destination.Destination";
    const definition = {
      Get: streaming(`${base}/Get`, GetDestination, Update),
      GetProfile: streaming(`${base}/GetProfile`, GetDestination, DestinationProfile),
    };
    return [
      [
        definition,
        {
          Get: serveAnswers(this.endpoints, ({ path }: GetDestination) => path),
          GetProfile: serveAnswers(this.profiles, ({ path }: GetDestination) => path),
        },
      ],
    ];
  }

  #policyService(): [grpc.ServiceDefinition, grpc.UntypedServiceImplementation][] {
    const inbound = {
      WatchPort: streaming("/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort", PortSpec, Server),
    };
    const outbound = {
      Watch: streaming("/io.linkerd.proxy.outbound.OutboundPolicies/Watch", TrafficSpec, OutboundPolicy),
    };
    return [
      [
        inbound,
        { WatchPort: serveAnswers(this.inbound, (spec: PortSpec) => `${JSON.parse(spec.workload).pod}:${spec.port}`) },
      ],
      [outbound, { Watch: serveAnswers(this.outbound, targetOf) }],
    ];
  }
}

/** Answers by key: set one, and every stream that asked for it hears. */
export class Answers<T> {
  readonly #current = new Map<string, T>();
  readonly #streams = new Map<string, Set<grpc.ServerWritableStream<unknown, T>>>();
  readonly asked: string[] = [];

  set(key: string, value: T): void {
    this.#current.set(key, value);
    for (const stream of this.#streams.get(key) ?? []) stream.write(value);
  }

  open(key: string, stream: grpc.ServerWritableStream<unknown, T>): void {
    this.asked.push(key);
    const value = this.#current.get(key);
    if (value === undefined) {
      stream.emit("error", { code: grpc.status.NOT_FOUND, details: `nothing known of ${key}` });
      return;
    }
    const streams = this.#streams.get(key) ?? new Set();
    this.#streams.set(key, streams.add(stream));
    stream.on("cancelled", () => streams.delete(stream));
    stream.write(value);
  }
}

function serveAnswers<Q, T>(answers: Answers<T>, keyOf: (request: Q) => string): grpc.handleServerStreamingCall<Q, T> {
  return (stream) => answers.open(keyOf(stream.request), stream as grpc.ServerWritableStream<unknown, T>);
}

interface Codec<T> {
  encode(value: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

function unary<Q, T>(path: string, request: Codec<Q>, response: Codec<T>): grpc.MethodDefinition<Q, T> {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value) => Buffer.from(request.encode(value).finish()),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: (value) => Buffer.from(response.encode(value).finish()),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

function streaming<Q, T>(path: string, request: Codec<Q>, response: Codec<T>): grpc.MethodDefinition<Q, T> {
  return { ...unary(path, request, response), responseStream: true };
}

function targetOf(spec: TrafficSpec): string {
  const target = spec.target;
  if (target?.$case !== "addr") return "";
  const ip = target.value.ip?.ip;
  const value = ip?.$case === "ipv4" ? ip.value >>> 0 : 0;
  return `${[value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".")}:${target.value.port}`;
}

/** An endpoint as the destination service describes a meshed pod; without `id` an unmeshed one. */
export function endpoint(
  ip: string,
  port: number,
  options: { id?: string; hint?: "h2" | "opaque"; viaInboundPort?: boolean } = {},
): WeightedAddr {
  const value = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return {
    addr: { ip: { ip: { $case: "ipv4", value } }, port },
    weight: 10_000,
    metricLabels: { pod: `pod-${ip.split(".")[3]}` },
    tlsIdentity: options.id
      ? { strategy: { $case: "dnsLikeIdentity", value: { name: options.id } }, serverName: { name: options.id } }
      : undefined,
    protocolHint: options.hint
      ? {
          protocol: { $case: options.hint, value: {} },
          opaqueTransport: options.viaInboundPort ? { inboundPort: 4143 } : undefined,
        }
      : undefined,
    authorityOverride: undefined,
    http2: undefined,
    resourceRef: undefined,
  };
}

export function addUpdate(...addrs: WeightedAddr[]): Update {
  return { update: { $case: "add", value: { addrs, metricLabels: { service: "web", namespace: "shop" } } } };
}

export function removeUpdate(...addrs: WeightedAddr[]): Update {
  return { update: { $case: "remove", value: { addrs: addrs.map(({ addr }) => addr!) } } };
}

/** The policy of a Service: everything to the balancer of `path`. */
export function servicePolicy(path: string, kind: "detect" | "opaque" = "detect"): OutboundPolicy {
  const [name, port] = path.split(":");
  const [service, namespace] = name.split(".");
  const resource = { group: "core", kind: "Service", name: service, namespace, section: "", port: Number(port) };
  const metadata = { kind: { $case: "resource" as const, value: resource } };
  const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });
  const backend = {
    metadata,
    kind: {
      $case: "balancer" as const,
      value: {
        discovery: { kind: { $case: "dst" as const, value: { path } } },
        load: {
          $case: "peakEwma" as const,
          value: { defaultRtt: { seconds: 0n, nanos: 30_000_000 }, decay: seconds(10) },
        },
      },
    },
    queue: { capacity: 100, failfastTimeout: seconds(3) },
  };
  const named = (value: string) => ({ kind: { $case: "default" as const, value } });
  const http = {
    failureAccrual: undefined,
    routes: [
      {
        metadata: named("http"),
        hosts: [],
        rules: [
          {
            matches: [],
            filters: [],
            backends: {
              kind: {
                $case: "firstAvailable" as const,
                value: { backends: [{ backend, filters: [], requestTimeout: undefined }] },
              },
            },
            requestTimeout: undefined,
            timeouts: undefined,
            retry: undefined,
            allowL5dRequestHeaders: false,
          },
        ],
      },
    ],
  };
  const opaque = {
    routes: [
      {
        metadata: named("opaq"),
        rules: [
          {
            filters: [],
            backends: { kind: { $case: "firstAvailable" as const, value: { backends: [{ backend, filters: [] }] } } },
          },
        ],
      },
    ],
  };
  const protocol =
    kind === "opaque"
      ? { $case: "opaque" as const, value: opaque }
      : { $case: "detect" as const, value: { timeout: seconds(10), opaque, http1: http, http2: http } };
  return { metadata, protocol: { kind: protocol } };
}

export const EMPTY_PROFILE: DestinationProfile = {
  fullyQualifiedName: "",
  opaqueProtocol: false,
  routes: [],
  retryBudget: undefined,
  dstOverrides: [],
  endpoint: undefined,
  parentRef: undefined,
  profileRef: undefined,
};

/** The PEM blocks of a bundle, for tests that look inside. */
export { pemBlocks };

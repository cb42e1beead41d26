import { type Change, type EndpointSlice, type KubeObject, keyOf, type Pod, type Service } from "#kube";
import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import { GRPC_STATUS, GrpcError, type GrpcMethod, type ServerStream, serverStream } from "#net/grpc-server";
import { type DestinationProfile, GetDestination } from "#proto/destination";
import { parseTarget, type ServiceName, serviceFqdn, type Target } from "./authority.ts";
import { type ClusterView, podIps, serviceOfSlice } from "./cluster-view.ts";
import { type ClientContext, parseContextToken } from "./context-token.ts";
import { EndpointTopic } from "./endpoint-topic.ts";
import { findHostEndpoint } from "./endpoints.ts";
import type { DestinationOptions } from "./options.ts";
import { ProfileTopic } from "./profile-topic.ts";
import { AmbiguousAddress, endpointProfile, podProfile, serviceProfile } from "./profiles.ts";
import { Topics } from "./topics.ts";

const GET = "/io.linkerd.proxy.destination.Destination/Get";
const GET_PROFILE = "/io.linkerd.proxy.destination.Destination/GetProfile";
const ZONE_LABEL = "topology.kubernetes.io/zone";
const REMOTE_DISCOVERY = "multicluster.linkerd.io/remote-discovery";

/** Answers Get and GetProfile from a view of the cluster, and keeps every stream up to date as the view changes. */
export class DestinationService {
  readonly endpoints: Topics<EndpointTopic>;
  readonly profiles: Topics<ProfileTopic>;
  readonly #view: ClusterView;
  readonly #options: DestinationOptions;
  readonly #log: Log;

  constructor(view: ClusterView, options: DestinationOptions, { clock, log }: { clock: Clock; log: Log }) {
    this.#view = view;
    this.#options = options;
    this.#log = log;
    this.endpoints = new Topics(clock, log);
    this.profiles = new Topics(clock, log);
  }

  methods(): GrpcMethod[] {
    return [
      serverStream(GET, GetDestination, (request, stream) => this.#get(request, stream)),
      serverStream(GET_PROFILE, GetDestination, (request, stream) => this.#getProfile(request, stream)),
    ];
  }

  /** To be called with every change of the view, after the view holds it. */
  readonly onService = (change: Change<Service>): void => {
    this.#touchService(change.object.metadata.name, change.object.metadata.namespace);
    for (const service of versions(change)) {
      for (const ip of service.spec?.clusterIPs ?? []) this.profiles.touch(`ip ${ip}`);
    }
  };

  readonly onSlice = (change: Change<EndpointSlice>): void => {
    for (const slice of versions(change)) {
      const service = serviceOfSlice(slice);
      if (service) this.#touchService(service, slice.metadata.namespace);
    }
  };

  readonly onPod = (change: Change<Pod>): void => {
    const { name, namespace } = change.object.metadata;
    for (const slice of this.#view.slices.byIndex("pod", keyOf(name, namespace))) {
      const service = serviceOfSlice(slice);
      if (service) this.#touchService(service, namespace);
    }
    for (const pod of versions(change)) {
      for (const ip of [...podIps(pod), pod.status?.hostIP ?? ""]) this.profiles.touch(`ip ${ip}`);
    }
  };

  /** A Server may make ports of any pod of its namespace opaque. */
  readonly onServer = (change: Change<KubeObject>): void => {
    const subject = `namespace ${change.object.metadata.namespace}`;
    this.endpoints.touch(subject);
    this.profiles.touch(subject);
    this.profiles.touch("addresses");
  };

  readonly onServiceProfile = (change: Change<KubeObject>): void => {
    this.profiles.touch(`profile ${change.object.metadata.name}`);
  };

  start(): void {
    this.endpoints.start();
    this.profiles.start();
  }

  stop(): void {
    this.endpoints.stop();
    this.profiles.stop();
  }

  #touchService(name: string, namespace: string | undefined): void {
    const subject = `service ${keyOf(name, namespace)}`;
    this.endpoints.touch(subject);
    this.profiles.touch(subject);
  }

  #get({ path, contextToken }: GetDestination, stream: ServerStream): void {
    const target = this.#target(path);
    if (target.kind === "address") {
      throw new GrpcError(
        GRPC_STATUS.INVALID_ARGUMENT,
        `Cannot get endpoints of "${path}": wanted a service's name, got an IP address`,
      );
    }
    const { name, port } = target;
    this.#checkService(name);
    const context = parseContextToken(contextToken);
    const topicName = `${keyOf(name.service, name.namespace)} ${name.hostname ?? ""} ${port}`;
    const subjects = [`service ${keyOf(name.service, name.namespace)}`, `namespace ${name.namespace}`];
    const topic = this.endpoints.open(
      topicName,
      subjects,
      () => new EndpointTopic({ ...name, port }, this.#view, this.#options),
    );
    stream.onClose(() => this.endpoints.closeIfUnused(topicName));
    const leave = topic.subscribe(stream, { nodeName: context.nodeName, zone: this.#zoneOf(context) });
    stream.onClose(() => {
      leave();
      this.endpoints.closeIfUnused(topicName);
    });
  }

  #getProfile({ path, contextToken }: GetDestination, stream: ServerStream): void {
    const target = this.#target(path);
    const context = parseContextToken(contextToken);
    const { name, subjects, compute } = this.#profileQuestion(target, context);
    const topic = this.profiles.open(name, subjects, () => new ProfileTopic(compute));
    try {
      const leave = topic.subscribe({ send: (frame) => stream.send(frame), end: () => stream.end() });
      if (!leave) throw new GrpcError(GRPC_STATUS.NOT_FOUND, `Cannot find "${path}"`);
      stream.onClose(() => {
        leave();
        this.profiles.closeIfUnused(name);
      });
    } catch (error) {
      this.profiles.closeIfUnused(name);
      if (error instanceof AmbiguousAddress) throw new GrpcError(GRPC_STATUS.FAILED_PRECONDITION, error.message);
      throw error;
    }
  }

  #target(path: string): Target {
    const { value, error } = parseTarget(path, this.#options.clusterDomain);
    if (!value) throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, error ?? `Cannot parse "${path}"`);
    return value;
  }

  #checkService({ service: name, namespace }: ServiceName): void {
    const service = this.#view.services.get(name, namespace);
    const fqdn = serviceFqdn(name, namespace, this.#options.clusterDomain);
    if (!service) throw new GrpcError(GRPC_STATUS.NOT_FOUND, `Service ${fqdn} does not exist`);
    if (service.spec?.type === "ExternalName") {
      throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, `Service ${fqdn} is an ExternalName, which has no endpoints`);
    }
    if (service.metadata.labels?.[REMOTE_DISCOVERY]) {
      throw new GrpcError(
        GRPC_STATUS.FAILED_PRECONDITION,
        `Service ${fqdn} lives in another cluster, which is not linked here`,
      );
    }
  }

  #profileQuestion(target: Target, context: ClientContext) {
    if (target.kind === "service" && target.name.hostname !== undefined)
      return this.#hostQuestion(target.name, target.port);
    if (target.kind === "service") return this.#serviceQuestion(target.name, target.port, context, undefined);
    const services = this.#view.services.byIndex("clusterIp", target.ip);
    if (services.length > 1) {
      throw new GrpcError(GRPC_STATUS.FAILED_PRECONDITION, `Several services have the address ${target.ip}`);
    }
    const meta = services[0]?.metadata;
    if (!meta) return this.#addressQuestion(target.ip, target.port);
    const name = { service: meta.name, namespace: meta.namespace ?? "", hostname: undefined };
    return this.#serviceQuestion(name, target.port, context, target.ip);
  }

  #serviceQuestion(
    name: ServiceName,
    port: number,
    { namespace: clientNs }: ClientContext,
    clusterIp: string | undefined,
  ) {
    this.#checkService({ ...name });
    const { service, namespace } = name;
    const fqdn = serviceFqdn(service, namespace, this.#options.clusterDomain);
    let last: DestinationProfile | undefined;
    const compute = () => {
      if (clusterIp !== undefined && !this.#hasClusterIp(name, clusterIp)) return undefined;
      const answer = serviceProfile({ service, namespace, port, clientNs }, this.#view, this.#options);
      for (const warning of answer?.warnings ?? []) this.#log.warn(warning, { profile: fqdn });
      if (answer?.error) {
        this.#log.warn("Keeping the last good profile", { profile: fqdn, error: answer.error });
        return last ?? answer.profile;
      }
      last = answer?.profile;
      return last;
    };
    const subjects = [
      `service ${keyOf(service, namespace)}`,
      `profile ${fqdn}`,
      ...(clusterIp ? [`ip ${clusterIp}`] : []),
    ];
    return { name: `service ${fqdn} ${port} ${clientNs ?? ""} ${clusterIp ?? ""}`, subjects, compute };
  }

  #hasClusterIp({ service, namespace }: ServiceName, ip: string): boolean {
    return this.#view.services
      .byIndex("clusterIp", ip)
      .some(({ metadata }) => metadata.name === service && metadata.namespace === namespace);
  }

  /** An address is a service's as soon as one claims it; the stream then ends and the client asks again. */
  #addressQuestion(ip: string, port: number) {
    const compute = () => {
      if (this.#view.services.byIndex("clusterIp", ip).length > 0) return undefined;
      return endpointProfile(ip, port, this.#view, this.#options);
    };
    return { name: `address ${ip} ${port}`, subjects: [`ip ${ip}`, "addresses"], compute };
  }

  #hostQuestion(name: ServiceName, port: number) {
    this.#checkService(name);
    const compute = () => {
      const found = findHostEndpoint({ ...name, port }, this.#view, this.#options);
      if (!found) return undefined;
      if (!found.pod) return endpointProfile(found.ip, found.port, this.#view, this.#options);
      return podProfile(found.pod, found.ip, found.port, this.#view, this.#options);
    };
    const subjects = [`service ${keyOf(name.service, name.namespace)}`, `namespace ${name.namespace}`];
    return { name: `host ${name.hostname} ${keyOf(name.service, name.namespace)} ${port}`, subjects, compute };
  }

  #zoneOf({ nodeName }: ClientContext): string | undefined {
    return nodeName === undefined ? undefined : this.#view.nodes.get(nodeName)?.metadata.labels?.[ZONE_LABEL];
  }
}

function versions<T extends KubeObject>(change: Change<T>): T[] {
  return change.type === "modified" ? [change.previous, change.object] : [change.object];
}

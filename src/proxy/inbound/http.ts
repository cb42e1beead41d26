import { HeaderLine, knownId } from "#fields";
import type { Clock } from "#lib/clock";
import type { Counter, Labels } from "#lib/metrics";
import type { Random } from "#lib/random";
import { HTTP_2, type RequestHead, ResponseHead } from "#message";
import { formatAddress, type SocketAddress } from "#net/address";
import { type Authorization, authorize, type InboundClient } from "../authorize/authorization.ts";
import { RelayError } from "../errors.ts";
import { errorLabel } from "../metrics/error-label.ts";
import { type HttpSeries, isGrpcFailure } from "../metrics/http-series.ts";
import { metaLabels, type TlsState, targetLabels, tlsLabels } from "../metrics/labels.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { HttpPool, PoolWaiter } from "../pool/http-pool.ts";
import { removeClientIds } from "../relay/client-id.ts";
import type { ClientConnection, RequestHandler, ServerStream } from "../relay/exchange.ts";
import { type CallOrigin, type CallTarget, HttpCall } from "../relay/http-call.ts";
import { origProtoResponseLine, takeOrigProtoRequest } from "../relay/orig-proto.ts";
import { drawFailure, editRequest, locationOf } from "../route/filters.ts";
import type { Application } from "./application.ts";
import type { PortPolicy } from "./policies.ts";
import type { InboundRule, ServerPolicy } from "./policy.ts";

export interface InboundHttpDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly application: Application;
  readonly maxInFlight: number;
  readonly inFlight: { count: number };
}

/** Where and from whom one connection's requests come. */
export interface InboundConnection {
  readonly client: InboundClient;
  readonly tls: TlsState;
  readonly target: SocketAddress;
  readonly policy: PortPolicy;
}

/** Serves one client connection's requests: route, authorize, limit, pass on to the application. */
export class InboundHttp implements RequestHandler, CallOrigin {
  readonly #deps: InboundHttpDeps;
  readonly #connection: InboundConnection;
  readonly #clientIdLine: HeaderLine | undefined;
  readonly #pools: (isHttp2: boolean) => HttpPool;
  #decidedFor: ServerPolicy | undefined;
  readonly #decisions = new Map<InboundRule, Decision>(); // of the current policy
  /** What is added to the request in hand; whoever keeps it copies it. */
  readonly #added: HeaderLine[] = [];

  constructor(connection: InboundConnection, deps: InboundHttpDeps) {
    this.#deps = deps;
    this.#connection = connection;
    this.#pools = deps.application.pools(connection.target);
    const { id } = connection.client;
    this.#clientIdLine = id === undefined ? undefined : new HeaderLine("l5d-client-id", id);
  }

  readonly #release = (): void => {
    this.#deps.inFlight.count--;
  };

  readonly #countError = (cause: RelayError): void => {
    const error = errorLabel(cause);
    if (!error) return; // what policy refuses is counted as refused
    this.#deps.metrics.count("inbound_http_errors_total", "Requests answered with an error of the proxy's own.", {
      error,
      ...targetLabels(this.#connection.target),
      ...metaLabels("srv", this.#connection.policy.current.meta),
    });
  };

  request(head: RequestHead, stream: ServerStream): void {
    const { clock, maxInFlight, inFlight } = this.#deps;
    const { client, target } = this.#connection;
    const isHttp2 = head.version === HTTP_2;
    const isUpgraded = takeOrigProtoRequest(head, client.id !== undefined);
    const call = new InboundCall(head, stream, clock, client.id !== undefined, isUpgraded);
    call.onError = this.#countError;
    if (inFlight.count >= maxInFlight) {
      call.fail(new RelayError("load-shed", "proxy", "safe", "too many requests in flight"));
      return;
    }
    inFlight.count++;
    call.onDone = this.#release;
    removeClientIds(head.fields);
    if (head.authority === "") head.authority = formatAddress(target);
    if (isHttp2) dropOtherHost(head);
    try {
      this.#decide(head, call);
    } catch (thrown: unknown) {
      call.fail(RelayError.from(thrown)); // our own mistake: its place in flight is given back
    }
  }

  #decide(head: RequestHead, call: InboundCall): void {
    const policy = this.#connection.policy.current;
    const rule = policy.invalid ? undefined : policy.routes.find(head);
    if (policy.invalid) call.fail(new RelayError("policy-invalid", "proxy", "never", policy.invalid));
    else if (!rule) this.#noRoute(policy, call);
    else this.#authorize(head, call, policy, rule);
  }

  #noRoute(policy: ServerPolicy, call: InboundCall): void {
    this.#deps.metrics.count("inbound_http_route_not_found_total", "Requests that no route takes.", {
      ...this.#connectionLabels(policy),
    });
    call.fail(new RelayError("no-route", "proxy", "never", "no route found for request"));
  }

  #authorize(head: RequestHead, call: InboundCall, policy: ServerPolicy, rule: InboundRule): void {
    const decision = this.#decisionOf(policy, rule);
    decision.counter.value++;
    if (!decision.grant) {
      const { client } = this.#connection;
      const who = client.id ?? (client.isTls ? "a client without identity" : "an unmeshed client");
      call.fail(
        new RelayError(
          "unauthorized",
          "proxy",
          "never",
          `unauthorized request on route: ${rule.route.kind} ${rule.route.name} does not allow ${who}`,
        ),
      );
      return;
    }
    const refusal = policy.rateLimit?.take(this.#connection.client.id, call.startedAtMs);
    if (refusal) {
      const { group, kind, name } = policy.rateLimit!.options;
      this.#deps.metrics.count("inbound_http_local_ratelimit_total", "Requests beyond a rate limit.", {
        ...metaLabels("srv", policy.meta),
        ratelimit_group: group,
        ratelimit_kind: kind,
        ratelimit_name: name,
        ratelimit_scope: refusal.scope,
      });
      call.fail(new RelayError("rate-limited", "proxy", "never", refusal.message));
      return;
    }
    this.#pass(head, call, rule, decision.target!);
  }

  #pass(head: RequestHead, call: InboundCall, rule: InboundRule, target: InboundTarget): void {
    const added = this.#added;
    added.length = 0;
    const { filters } = rule;
    const failure = drawFailure(filters.failures, this.#deps.random);
    if (failure) {
      call.fail(new RelayError("unexpected", "proxy", "never", failure.message));
      return;
    }
    const location = filters.redirect && locationOf(filters.redirect, head, undefined);
    if (location !== undefined) {
      const response = new ResponseHead();
      response.status = filters.redirect!.status;
      call.answer(response, [new HeaderLine("content-length", "0"), new HeaderLine("location", location)]);
      return;
    }
    if (filters.request.length > 0) editRequest(filters.request, head, added);
    if (this.#clientIdLine) added.push(this.#clientIdLine);
    const pool = this.#pools(head.version === HTTP_2);
    const connection = pool.take();
    if (connection) {
      call.keep(head, added, this);
      call.open(connection, head, added, target);
    } else this.#wait(pool, call, head, added, target);
  }

  /** Once more, on a connection that shows life only from now on. */
  returned(call: HttpCall, target: CallTarget): boolean {
    const kept = call.kept!;
    if (++kept.returnCount > 1) return false;
    this.#wait(this.#pools(kept.head.version === HTTP_2), call, kept.head, kept.added, target);
    return true;
  }

  #wait(pool: HttpPool, call: HttpCall, head: RequestHead, added: readonly HeaderLine[], target: CallTarget): void {
    const waiting = new Waiting(call, head.copy(), [...added], target, this);
    call.holdUntilDone(() => pool.cancelWait(waiting));
    call.watch();
    if (!call.isDone) pool.wait(waiting);
  }

  /** Authorization depends on the rule and the connection only: decided at the rule's first request. */
  #decisionOf(policy: ServerPolicy, rule: InboundRule): Decision {
    if (this.#decidedFor !== policy) {
      this.#decisions.clear();
      this.#decidedFor = policy;
    }
    let decision = this.#decisions.get(rule);
    if (!decision) {
      decision = this.#makeDecision(policy, rule);
      this.#decisions.set(rule, decision);
    }
    return decision;
  }

  #makeDecision(policy: ServerPolicy, rule: InboundRule): Decision {
    const { metrics } = this.#deps;
    const grant = authorize(rule.grants, this.#connection.client);
    const labels = { ...this.#connectionLabels(policy), ...metaLabels("route", rule.route) };
    if (!grant) {
      const denied = metrics.registry.counter("inbound_http_authz_deny_total", "Requests that were refused.");
      return { grant, counter: denied.series(labels), target: undefined };
    }
    const allowedLabels = { ...labels, ...metaLabels("authz", grant.meta) };
    const allowed = metrics.registry.counter("inbound_http_authz_allow_total", "Requests that were allowed.");
    const series = metrics.http({ direction: "inbound", ...allowedLabels, srv_port: this.#connection.target.port });
    return { grant, counter: allowed.series(allowedLabels), target: new InboundTarget(series) };
  }

  #connectionLabels(policy: ServerPolicy): Labels {
    const { target, tls } = this.#connection;
    return { ...targetLabels(target), ...tlsLabels(tls, "client"), ...metaLabels("srv", policy.meta) };
  }
}

interface Decision {
  readonly grant: Authorization | undefined;
  readonly counter: Counter;
  readonly target: InboundTarget | undefined;
}

/** A call that remembers whether its client is a proxy that carried HTTP/1 over HTTP/2. */
class InboundCall extends HttpCall {
  readonly isUpgraded: boolean;

  constructor(head: RequestHead, stream: ServerStream, clock: Clock, emitsDetail: boolean, isUpgraded: boolean) {
    super(head, stream, clock, emitsDetail);
    this.isUpgraded = isUpgraded;
  }
}

/** Counts what goes to the application on one route under one grant. */
class InboundTarget implements CallTarget {
  readonly #series: HttpSeries;

  constructor(series: HttpSeries) {
    this.#series = series;
  }

  sent(isAgain: boolean): void {
    if (!isAgain) this.#series.requests.value++;
  }

  responded(head: ResponseHead, added: HeaderLine[], call: HttpCall): void {
    const mark = (call as InboundCall).isUpgraded ? origProtoResponseLine(head) : null;
    if (mark) added.push(mark);
  }

  firstData(status: number, latencyMs: number): void {
    this.#series.latency(status, latencyMs);
  }

  ended(status: number, grpcStatus: number): void {
    const isSuccess = grpcStatus >= 0 ? !isGrpcFailure(grpcStatus) : status < 500;
    this.#series.ended(status, grpcStatus, isSuccess);
  }

  failed(cause: RelayError): void {
    this.#series.failed(cause.code);
  }

  returned(): void {}
}

/** A request that waits for a connection to the application. */
class Waiting implements PoolWaiter {
  readonly #call: HttpCall;
  readonly #head: RequestHead;
  readonly #added: readonly HeaderLine[];
  readonly #target: CallTarget;
  readonly #origin: CallOrigin;

  constructor(call: HttpCall, head: RequestHead, added: readonly HeaderLine[], target: CallTarget, origin: CallOrigin) {
    this.#origin = origin;
    this.#call = call;
    this.#head = head;
    this.#added = added;
    this.#target = target;
  }

  opened(connection: ClientConnection): void {
    if (this.#call.isDone) return;
    this.#call.keep(this.#head, this.#added, this.#origin);
    this.#call.open(connection, this.#head, this.#added, this.#target);
  }

  failed(failure: RelayError): void {
    this.#call.fail(failure);
  }
}

/** What routes are matched by is what the application sees: HTTP/1 carried over HTTP/2 may say two things. */
function dropOtherHost(head: RequestHead): void {
  const index = head.fields.find(HOST);
  if (index >= 0 && !head.fields.valueEquals(index, head.authority)) head.fields.remove(index);
}

const HOST = knownId("host");

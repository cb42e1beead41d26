import { HeaderLine } from "#fields";
import type { Clock } from "#lib/clock";
import type { Random } from "#lib/random";
import { HTTP_2, type RequestHead, ResponseHead } from "#message";
import { formatAddress } from "#net/address";
import { RelayError } from "../../errors.ts";
import { errorLabel } from "../../metrics/error-label.ts";
import type { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import type { RequestHandler, ServerStream } from "../../relay/exchange.ts";
import { HttpCall } from "../../relay/http-call.ts";
import { type AttemptStream, RetryingExchange } from "../../retry/exchange.ts";
import { drawFailure, editRequest, type Filters, locationOf } from "../../route/filters.ts";
import { describeRef } from "../../route/metadata.ts";
import type { HttpConcrete } from "../concrete/http-concrete.ts";
import type { Target } from "../discover.ts";
import { pickBackend } from "./pick-backend.ts";
import type { HttpRule, RouteBackend } from "./policy.ts";
import { RouteSeries } from "./route-series.ts";

export interface OutboundHttpDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly emitsDetail: boolean;
  readonly maxInFlight: number;
}

/** Requests under way, over all connections. */
export interface InFlight {
  count: number;
}

/** Sends one client connection's requests where the destination's policy says: route, backend, endpoint, connection. */
export class OutboundHttp implements RequestHandler {
  readonly #target: Target;
  readonly #deps: OutboundHttpDeps;
  readonly #inFlight: InFlight;
  /** What is added to the request in hand; whoever keeps it copies it. */
  readonly #added: HeaderLine[] = [];

  constructor(target: Target, deps: OutboundHttpDeps, inFlight: InFlight) {
    this.#target = target;
    this.#deps = deps;
    this.#inFlight = inFlight;
  }

  readonly #release = (): void => {
    this.#inFlight.count--;
  };

  readonly #countError = (cause: RelayError): void => {
    const error = errorLabel(cause);
    if (error)
      this.#deps.metrics.count("outbound_http_errors_total", "Requests answered with an error of the proxy's own.", {
        error,
      });
  };

  request(head: RequestHead, stream: ServerStream): void {
    const { clock, emitsDetail, maxInFlight } = this.#deps;
    const call = new HttpCall(head, stream, clock, emitsDetail);
    call.onError = this.#countError;
    if (this.#inFlight.count >= maxInFlight) {
      call.fail(new RelayError("load-shed", "proxy", "safe", "too many requests in flight"));
      return;
    }
    this.#inFlight.count++;
    call.onDone = this.#release;
    if (head.authority === "") head.authority = formatAddress(this.#target.dst);
    try {
      this.#route(head, call);
    } catch (thrown: unknown) {
      call.fail(RelayError.from(thrown)); // our own mistake: its place in flight is given back
    }
  }

  #route(head: RequestHead, call: HttpCall): void {
    const policy = this.#target.current!;
    if (policy.invalid) {
      call.fail(new RelayError("policy-invalid", "proxy", "never", policy.invalid));
      return;
    }
    const table = head.version === HTTP_2 ? (policy.http2 ?? policy.http1) : (policy.http1 ?? policy.http2);
    const rule = table?.find(head);
    if (!rule) {
      call.fail(
        new RelayError("no-route", "proxy", "never", `no route found for request to ${describeRef(policy.parent)}`),
      );
      return;
    }
    const backend = pickBackend(rule.distribution, this.#deps.random);
    const series = RouteSeries.of(this.#deps.metrics, policy.parent, rule, backend?.ref);
    const added = this.#added;
    added.length = 0;
    if (answeredByFilter(rule.filters, rule.prefix, head, added, call, this.#deps.random)) return;
    if (!backend) {
      call.fail(
        new RelayError(
          "load-shed",
          "proxy",
          "never",
          `route ${describeRef(rule.route)}: service unavailable: it has no backends`,
        ),
      );
      return;
    }
    if (answeredByFilter(backend.filters, rule.prefix, head, added, call, this.#deps.random)) return;
    this.#send(head, added, call, rule, backend, series);
  }

  #send(
    head: RequestHead,
    added: HeaderLine[],
    call: HttpCall,
    rule: HttpRule,
    backend: RouteBackend<HttpConcrete>,
    series: RouteSeries,
  ): void {
    if (!backend.concrete) {
      call.fail(
        new RelayError("no-endpoints", "proxy", "never", `backend ${describeRef(backend.ref)} has no dispatcher`),
        502,
      );
      return;
    }
    if (rule.retry) this.#sendWithRetries(head, added, call, rule, backend, backend.concrete, series);
    else this.#sendOnce(head, added, call, rule, backend, backend.concrete, series);
  }

  #sendOnce(
    head: RequestHead,
    added: HeaderLine[],
    call: HttpCall,
    rule: HttpRule,
    backend: RouteBackend<HttpConcrete>,
    concrete: HttpConcrete,
    series: RouteSeries,
  ): void {
    const { clock } = this.#deps;
    call.observe(rule.filters.response, backend.filters.response, series);
    const { requestMs, responseMs } = rule.timeouts;
    if (requestMs > 0) limitCall(call, clock, requestMs, "request-timeout", concrete.name);
    if (responseMs > 0) limitCall(call, clock, responseMs, "response-timeout", concrete.name);
    concrete.send(call, head, added);
  }

  /** The first call stands for all attempts: it keeps the place in flight, and ends with the last of them. */
  #sendWithRetries(
    head: RequestHead,
    added: HeaderLine[],
    whole: HttpCall,
    rule: HttpRule,
    backend: RouteBackend<HttpConcrete>,
    concrete: HttpConcrete,
    series: RouteSeries,
  ): void {
    const { clock, random, emitsDetail } = this.#deps;
    const policy = rule.retry!;
    const kept = head.copy();
    const lines = [...added];
    const deadlineMs = rule.timeouts.requestMs > 0 ? whole.startedAtMs + rule.timeouts.requestMs : Infinity;
    const attempt = (stream: AttemptStream) => {
      const call = new HttpCall(kept, stream, clock, emitsDetail);
      call.onError = (cause) => {
        stream.failed(cause);
        this.#countError(cause);
      };
      call.observe(rule.filters.response, backend.filters.response, series);
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs !== Infinity) limitCall(call, clock, Math.max(0, leftMs), "request-timeout", concrete.name);
      if (policy.headersTimeoutMs > 0 && !stream.isLast) {
        limitHeaders(call, clock, policy.headersTimeoutMs, concrete.name);
      }
      concrete.send(call, kept.copy(), [...lines]);
    };
    new RetryingExchange(whole.stream, {
      policy,
      isGrpc: whole.isGrpc,
      clock,
      random,
      attempt,
      observer: series.retries,
      done: () => whole.standDown(),
    }).start();
  }
}

/** Fails a call that is not over in time. */
function limitCall(
  call: HttpCall,
  clock: Clock,
  afterMs: number,
  code: "request-timeout" | "response-timeout",
  name: string,
): void {
  const timer = clock.schedule(afterMs, () =>
    call.fail(new RelayError(code, "proxy", "never", `${name}: not done within ${Math.round(afterMs)} ms`)),
  );
  call.holdUntilDone(() => timer.cancel());
}

/** Fails a call whose response has not begun in time. */
function limitHeaders(call: HttpCall, clock: Clock, afterMs: number, name: string): void {
  const timer = clock.schedule(afterMs, () => {
    if (call.hasResponded) return;
    call.fail(new RelayError("response-timeout", "proxy", "safe", `${name}: no response within ${afterMs} ms`));
  });
  call.holdUntilDone(() => timer.cancel());
}

/** Applies filters; true when one of them answered the client. */
function answeredByFilter(
  filters: Filters,
  prefix: string | undefined,
  head: RequestHead,
  added: HeaderLine[],
  call: HttpCall,
  random: Random,
): boolean {
  const failure = drawFailure(filters.failures, random);
  if (failure) {
    const cause = new RelayError("unexpected", "proxy", "never", failure.message);
    call.reject(cause, failure.status, failure.grpcCode >= 0 ? failure.grpcCode : 9);
    return true;
  }
  if (filters.redirect) {
    const location = locationOf(filters.redirect, head, prefix);
    if (location !== undefined) {
      const response = new ResponseHead();
      response.status = filters.redirect.status;
      call.answer(response, [new HeaderLine("content-length", "0"), new HeaderLine("location", location)]);
      return true;
    }
  }
  if (filters.request.length > 0) editRequest(filters.request, head, added);
  return false;
}

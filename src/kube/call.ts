import type { Clock } from "#lib/clock";
import { ApiError } from "./api-error.ts";
import { type Cluster, credentialHeaders, tlsOptions } from "./cluster.ts";

export interface CallOptions {
  readonly method?: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
  /** Until the answer's head is there; 0 waits for ever. The body of a call that is read whole counts too. */
  readonly timeoutMs?: number;
}

/** An answer whose body is still to be read. `finish` must be called when it has been read or is not wanted. */
export interface Answer {
  readonly response: Response;
  /** Ends the time limit: from here on only the caller's signal ends the call. */
  lift(): void;
  finish(): void;
}

export const DEFAULT_TIMEOUT_MS = 30_000;

/** One HTTP call to the API server. Refusals (status 400 and above) are thrown as `ApiError`. */
export async function call(cluster: Cluster, clock: Clock, path: string, options: CallOptions): Promise<Answer> {
  const doing = `${options.method ?? "GET"} ${path}`;
  const deadline = new CallDeadline(clock, options.timeoutMs ?? DEFAULT_TIMEOUT_MS, options.signal);
  try {
    const response = await send(cluster, path, options, deadline.signal);
    if (response.status >= 400) throw ApiError.fromAnswer(response.status, doing, await response.text());
    return { response, lift: () => deadline.lift(), finish: () => deadline.clear() };
  } catch (cause) {
    deadline.clear();
    throw deadline.isOver ? timedOut(doing, deadline.timeoutMs, cause) : ApiError.fromFailure(doing, cause);
  }
}

/** As `call`, and reads the whole body within the same deadline. */
export async function callForText(cluster: Cluster, clock: Clock, path: string, options: CallOptions): Promise<string> {
  const { response, finish } = await call(cluster, clock, path, options);
  try {
    return await response.text();
  } catch (cause) {
    throw ApiError.fromFailure(`${options.method ?? "GET"} ${path}`, cause);
  } finally {
    finish();
  }
}

async function send(cluster: Cluster, path: string, options: CallOptions, signal: AbortSignal): Promise<Response> {
  const credentials = await cluster.credentials();
  const headers: Record<string, string> = { accept: options.accept ?? "application/json", "user-agent": "linkerd-ts" };
  Object.assign(headers, credentialHeaders(credentials));
  const init: BunFetchRequestInit & { timeout?: boolean } = {
    method: options.method ?? "GET",
    headers,
    signal,
    redirect: "error", // an API server does not redirect, and a token must not follow one
    timeout: false, // Bun's own five-minute limit would cut watches
    tls: tlsOptions(cluster, credentials),
  };
  if (options.body !== undefined) {
    headers["content-type"] = options.contentType ?? "application/json";
    init.body = JSON.stringify(options.body);
  }
  return fetch(cluster.server + path + queryString(options.query), init);
}

function queryString(query: CallOptions["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

function timedOut(doing: string, timeoutMs: number, cause: unknown): ApiError {
  return new ApiError(0, "Timeout", `Cannot ${doing}: no answer within ${timeoutMs} ms`, { cause });
}

/** Ties a caller's signal and a time limit into one signal. */
class CallDeadline {
  readonly timeoutMs: number;
  readonly #controller = new AbortController();
  readonly #lift: () => void;
  readonly #detach: () => void;
  isOver = false;

  constructor(clock: Clock, timeoutMs: number, outer: AbortSignal | undefined) {
    this.timeoutMs = timeoutMs;
    const abort = () => this.#controller.abort(outer?.reason);
    if (outer?.aborted) abort();
    outer?.addEventListener("abort", abort, { once: true });
    const timer = timeoutMs > 0 ? clock.schedule(timeoutMs, () => this.#expire()) : undefined;
    this.#lift = () => timer?.cancel();
    this.#detach = () => outer?.removeEventListener("abort", abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  lift(): void {
    this.#lift();
  }

  clear(): void {
    this.#lift();
    this.#detach();
  }

  #expire(): void {
    this.isOver = true;
    this.#controller.abort();
  }
}

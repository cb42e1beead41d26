import { HeaderLine } from "#fields";
import { type RequestHead, ResponseHead } from "#message";
import { isLoopback } from "#net/address";
import type { RequestHandler, RequestSink, ServerStream } from "../relay/exchange.ts";

export interface AdminDeps {
  readonly isReady: () => boolean;
  readonly renderMetrics: () => string;
  /** Undefined when the endpoint is not enabled. */
  readonly shutdown: (() => void) | undefined;
  readonly env: () => Readonly<Record<string, string>>;
  readonly logFilter: { get(): string; set(filter: string): string | undefined };
}

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body?: string | Uint8Array;
  readonly lines?: readonly HeaderLine[];
}

const MAX_FILTER_BYTES = 4096;

/** The admin endpoints, for one connection. What changes the proxy, or shows its log level, is for loopback peers only. */
export class AdminHandler implements RequestHandler {
  readonly #deps: AdminDeps;
  readonly #peerIp: string;

  constructor(deps: AdminDeps, peerIp: string) {
    this.#deps = deps;
    this.#peerIp = peerIp;
  }

  request(head: RequestHead, stream: ServerStream): void {
    const [path, query = ""] = head.path.split("?", 2);
    const { method } = head;
    if (path === "/proxy-log-level" && method === "PUT" && isLoopback(this.#peerIp)) {
      stream.receive(new BodyText(MAX_FILTER_BYTES, (text) => send(stream, this.#setLogLevel(text))));
      return;
    }
    const acceptsGzip = (head.fields.get("accept-encoding") ?? "").includes("gzip");
    const answer = this.#answer(path, query, method, acceptsGzip);
    stream.receive(new BodyText(0, () => {}));
    send(stream, answer);
  }

  #answer(path: string, query: string, method: string, acceptsGzip: boolean): Answer {
    switch (path) {
      case "/live":
        return { status: 200, type: "text/plain", body: "live\n" };
      case "/ready":
        return this.#deps.isReady()
          ? { status: 200, type: "text/plain", body: "ready\n" }
          : { status: 503, body: "not ready\n" };
      case "/metrics":
        return metricsAnswer(this.#deps.renderMetrics(), acceptsGzip);
      case "/env.json":
        return this.#env(method, query);
      case "/shutdown":
        return this.#local(() => this.#shutdown(method));
      case "/proxy-log-level":
        return this.#local(() =>
          method === "GET"
            ? { status: 200, type: "text/plain", body: `${this.#deps.logFilter.get()}\n` }
            : { status: 405, lines: [new HeaderLine("allow", "GET, PUT")] },
        );
      default:
        return { status: 404 };
    }
  }

  #local(answer: () => Answer): Answer {
    if (isLoopback(this.#peerIp)) return answer();
    return { status: 403, type: "text/plain", body: "Requests are only permitted from localhost.\n" };
  }

  #shutdown(method: string): Answer {
    if (method !== "POST") return { status: 405, lines: [new HeaderLine("allow", "POST")] };
    if (!this.#deps.shutdown) return { status: 404, type: "text/plain", body: "shutdown endpoint is not enabled\n" };
    this.#deps.shutdown();
    return { status: 200, type: "text/plain", body: "shutdown\n" };
  }

  #env(method: string, query: string): Answer {
    if (method !== "GET") return { status: 405, lines: [new HeaderLine("allow", "GET")] };
    const env = this.#deps.env();
    const names = query === "" ? Object.keys(env) : query.split("&");
    if (names.some((name) => query !== "" && name.includes("="))) {
      return json(400, { error: "names are given without values, like ?A&B", status: 400 });
    }
    return json(200, Object.fromEntries(names.map((name) => [name, env[name] ?? null])));
  }

  #setLogLevel(filter: string): Answer {
    const complaint = this.#deps.logFilter.set(filter.trim());
    return complaint === undefined ? { status: 204 } : { status: 400, type: "text/plain", body: `${complaint}\n` };
  }
}

function metricsAnswer(text: string, acceptsGzip: boolean): Answer {
  const body = `${text}# EOF\n`;
  if (!acceptsGzip) return { status: 200, type: "text/plain", body };
  return {
    status: 200,
    type: "text/plain",
    body: Bun.gzipSync(body, { level: 1 }),
    lines: [new HeaderLine("content-encoding", "gzip")],
  };
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

function send(stream: ServerStream, answer: Answer): void {
  const bytes = typeof answer.body === "string" ? Buffer.from(answer.body) : (answer.body ?? new Uint8Array(0));
  const head = new ResponseHead();
  head.status = answer.status;
  head.bodyLength = bytes.length;
  const added = [...(answer.lines ?? [])];
  if (answer.status !== 204) added.push(new HeaderLine("content-length", String(bytes.length)));
  if (answer.type) added.push(new HeaderLine("content-type", answer.type));
  stream.respond(head, added);
  if (bytes.length > 0) stream.body(bytes, 0, bytes.length);
  stream.end(null);
}

/** Gathers a short body; what exceeds the limit is dropped. */
class BodyText implements RequestSink {
  readonly #maxBytes: number;
  readonly #done: (text: string) => void;
  #text = "";

  constructor(maxBytes: number, done: (text: string) => void) {
    this.#maxBytes = maxBytes;
    this.#done = done;
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    if (this.#text.length + to - from <= this.#maxBytes)
      this.#text += Buffer.from(chunk.subarray(from, to)).toString("latin1");
    return true;
  }

  end(): void {
    this.#done(this.#text);
  }

  abort(): void {}

  resumeResponse(): void {}
}

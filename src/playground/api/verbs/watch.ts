import type { KubeObject } from "../../store/object.ts";
import { storageKey } from "../../store/resources.ts";
import { StatusError } from "../../store/status.ts";
import type { StoreEvent } from "../../store/store.ts";
import type { ResourceCall } from "../call.ts";
import { type Form, formOf, inVersion, shapeObject } from "../respond.ts";
import { type Predicate, selectorPredicate } from "../selectors.ts";
import { selected } from "./list.ts";

/** A client that does not read is cut off when this much waits for it. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const BOOKMARK_EVERY_MS = 60_000;
const DEFAULT_TIMEOUT_S = 3_600;
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** GET of a collection with `watch=true`: changes as lines of JSON until the client goes or `timeoutSeconds` is over. */
export function watch(call: ResourceCall): void {
  new Watch(call).run();
}

class Watch {
  readonly #call: ResourceCall;
  readonly #form: Form;
  readonly #isWanted: Predicate | undefined;
  readonly #wantsBookmarks: boolean;
  #stop: (() => void) | undefined;
  #timers: { cancel(): void }[] = [];
  #hasHeader = false;
  #isOver = false;

  constructor(call: ResourceCall) {
    const query = call.url.searchParams;
    this.#call = call;
    this.#form = formOf(call);
    this.#isWanted = selectorPredicate(query.get("labelSelector"), query.get("fieldSelector"));
    this.#wantsBookmarks = isTrue(query.get("allowWatchBookmarks"));
  }

  run(): void {
    const { response, parts, type, url } = this.#call;
    const query = url.searchParams;
    const from = startOf(query);
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
    response.write("\n"); // headers leave only with the first byte; readers of JSON streams skip the blank line
    response.on("close", () => this.#end());
    const sendsInitial = query.has("sendInitialEvents") ? isTrue(query.get("sendInitialEvents")) : from === undefined;
    if (sendsInitial) for (const object of selected(this.#call)) this.#send("ADDED", object);
    if (isTrue(query.get("sendInitialEvents"))) this.#bookmark({ [INITIAL_EVENTS_END]: "true" });
    try {
      this.#stop = parts.store.watch(storageKey(type), sendsInitial ? undefined : from, (event) => this.#follow(event));
    } catch (thrown) {
      this.#line({ type: "ERROR", object: StatusError.from(thrown).toStatus() });
      response.end();
      return;
    }
    this.#schedule(query);
  }

  #schedule(query: URLSearchParams): void {
    const { clock } = this.#call.parts;
    const seconds = Number(query.get("timeoutSeconds") || DEFAULT_TIMEOUT_S);
    this.#timers.push(
      clock.schedule((seconds > 0 ? seconds : DEFAULT_TIMEOUT_S) * 1_000, () => {
        if (this.#wantsBookmarks) this.#bookmark();
        this.#end();
        this.#call.response.end();
      }),
    );
    if (this.#wantsBookmarks) this.#bookmarkLater();
  }

  #bookmarkLater(): void {
    const timer = this.#call.parts.clock.schedule(BOOKMARK_EVERY_MS, () => {
      if (this.#isOver) return;
      this.#bookmark();
      this.#timers = this.#timers.filter((other) => other !== timer);
      this.#bookmarkLater();
    });
    this.#timers.push(timer);
  }

  /** At the border of a selector a change is an arrival or a departure. */
  #follow(event: StoreEvent) {
    const { info, type } = this.#call;
    if (type.isNamespaced && info.namespace !== undefined && event.object.metadata.namespace !== info.namespace) return;
    if (!this.#isWanted) return this.#send(event.type, event.object);
    const isIn = event.type !== "DELETED" && this.#isWanted(event.object);
    const wasIn = event.previous !== undefined && this.#isWanted(event.previous);
    if (isIn) this.#send(wasIn ? "MODIFIED" : "ADDED", event.object);
    else if (wasIn) this.#send("DELETED", event.object);
  }

  #send(type: string, object: KubeObject): void {
    const shaped = shapeObject(this.#call, this.#form, object, !this.#hasHeader);
    this.#hasHeader = true;
    this.#line({ type, object: shaped });
  }

  #bookmark(annotations?: Record<string, string>): void {
    const { parts, type } = this.#call;
    const resourceVersion = String(parts.store.revision);
    const metadata = { resourceVersion, creationTimestamp: null, ...(annotations ? { annotations } : {}) };
    const empty = inVersion(this.#call, { metadata } as unknown as KubeObject);
    if (this.#form.kind === "table") {
      const object = shapeObject(this.#call, { ...this.#form, include: "Metadata" }, empty, false) as {
        metadata: object;
      };
      this.#line({ type: "BOOKMARK", object });
    } else this.#line({ type: "BOOKMARK", object: { ...empty, kind: type.kind } });
  }

  #line(event: unknown): void {
    const { response } = this.#call;
    if (this.#isOver || response.destroyed) return;
    response.write(`${JSON.stringify(event)}\n`);
    if (response.writableLength > MAX_WAITING_BYTES) {
      this.#call.parts.log.warn("Cut off a watch that does not read", { path: this.#call.url.pathname });
      this.#end();
      response.destroy();
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#stop?.();
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }
}

/** The revision to resume from; undefined for "whatever there is now". */
function startOf(query: URLSearchParams): number | undefined {
  const text = query.get("resourceVersion");
  if (!text || text === "0") return undefined;
  if (!/^\d+$/.test(text))
    throw StatusError.badRequest(`Invalid value: ${JSON.stringify(text)}: resourceVersion must be a number`);
  return Number(text);
}

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1" || text === "";
}

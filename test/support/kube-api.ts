import { createRootCa, issueServingCertificate } from "#x509";

/** An object as the tests' API server keeps it. */
export interface Kept {
  apiVersion?: string;
  kind?: string;
  metadata: { name: string; namespace?: string; resourceVersion?: string; uid?: string; [more: string]: unknown };
  [more: string]: unknown;
}

/** Answers a POST to a path ending in `suffix` instead of storing it (reviews). */
export type Review = (body: Kept, request: Request) => Kept | Response;

interface Watcher {
  readonly collection: string;
  readonly namespace: string | undefined;
  write(event: unknown): void;
  end(): void;
}

/**
 * A small API server over real TLS for tests of our client: objects by path, lists in pages, watches with bookmarks,
 * 404, 409 and 410. It knows no defaults, no schema and no admission.
 */
export class KubeApi {
  readonly url: string;
  readonly ca: string;
  /** What was asked, as `METHOD /path`. */
  readonly calls: string[] = [];
  /** When set, a request without this Authorization header is refused. */
  authorization: string | undefined;
  /** Collections that are not installed: every call to them is answered with 404. */
  readonly missing = new Set<string>();
  /** Paths that are answered with this value whatever else is kept, such as `/version`. */
  readonly fixed = new Map<string, unknown>();
  readonly #server: Bun.Server<undefined>;
  readonly #objects = new Map<string, Kept>(); // by path without namespace part: collection, then namespace/name
  readonly #watchers = new Set<Watcher>();
  readonly #reviews = new Map<string, Review>();
  #version = 1;
  #oldestVersion = 0;

  private constructor(hostname: string, cert: string, key: string, ca: string) {
    this.ca = ca;
    this.#server = Bun.serve({
      port: 0,
      hostname,
      tls: { cert, key },
      idleTimeout: 0,
      fetch: (request) => this.#answer(request),
    });
    this.url = `https://${hostname}:${this.#server.port}`;
  }

  static async start(hostname = "127.0.0.1"): Promise<KubeApi> {
    const nowMs = Date.now();
    const ca = await createRootCa({ name: "kubernetes", lifetimeMs: 3_600_000, nowMs });
    const serving = await issueServingCertificate(ca, {
      dnsNames: ["kubernetes.default.svc"],
      lifetimeMs: 3_600_000,
      nowMs,
    });
    return new KubeApi(hostname, serving.certPem, serving.keyPem, ca.certPem);
  }

  /** What `KubeClient` needs to come here. */
  get cluster() {
    return {
      server: this.url,
      ca: this.ca,
      serverName: "kubernetes.default.svc",
      namespace: "default",
      context: "test",
      credentials: async () => ({ authorization: "Bearer test" }),
    };
  }

  onPost(collection: string, review: Review): void {
    this.#reviews.set(collection, review);
  }

  /** Stores an object behind everyone's back and tells the watchers. */
  put(collection: string, object: Kept): Kept {
    const key = keyOf(collection, object.metadata.namespace, object.metadata.name);
    const isNew = !this.#objects.has(key);
    const kept: Kept = {
      ...object,
      metadata: { uid: `uid-${object.metadata.name}`, ...object.metadata, resourceVersion: String(++this.#version) },
    };
    this.#objects.set(key, kept);
    this.#tell(collection, isNew ? "ADDED" : "MODIFIED", kept);
    return kept;
  }

  remove(collection: string, name: string, namespace?: string): boolean {
    const key = keyOf(collection, namespace, name);
    const kept = this.#objects.get(key);
    if (!kept) return false;
    this.#objects.delete(key);
    this.#tell(collection, "DELETED", {
      ...kept,
      metadata: { ...kept.metadata, resourceVersion: String(++this.#version) },
    });
    return true;
  }

  get(collection: string, name: string, namespace?: string): Kept | undefined {
    return this.#objects.get(keyOf(collection, namespace, name));
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** Ends every watch in peace, as an API server does after its time. */
  endWatches(): void {
    for (const watcher of [...this.#watchers]) watcher.end();
  }

  /** Forgets history: resuming from before now, a watch or a list in pages, is answered with 410. With `change`, also changes objects unseen. */
  compact(change?: () => void): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    change?.();
    this.#oldestVersion = ++this.#version;
    for (const watcher of watchers) watcher.end();
  }

  bookmark(): void {
    for (const watcher of this.#watchers) {
      watcher.write({ type: "BOOKMARK", object: { metadata: { resourceVersion: String(this.#version) } } });
    }
  }

  async stop(): Promise<void> {
    this.endWatches();
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.calls.push(`${request.method} ${url.pathname}`);
    if (this.authorization && request.headers.get("authorization") !== this.authorization) {
      return status(401, "Unauthorized", "Unauthorized");
    }
    if (this.fixed.has(url.pathname)) return Response.json(this.fixed.get(url.pathname));
    const { collection, namespace, name } = parsePath(url.pathname);
    if (this.missing.has(collection))
      return status(404, "NotFound", "the server could not find the requested resource");
    if (request.method === "GET" && name === undefined) {
      return url.searchParams.has("watch")
        ? this.#watch(collection, namespace, url, request)
        : this.#list(collection, namespace, url);
    }
    if (request.method === "POST") return this.#create(collection, (await request.json()) as Kept, request);
    const kept = this.#objects.get(keyOf(collection, namespace, name!));
    if (!kept) return status(404, "NotFound", `${collection} "${name}" not found`);
    if (request.method === "GET") return Response.json(kept);
    if (request.method === "DELETE") {
      this.remove(collection, name!, namespace);
      return Response.json({ kind: "Status", status: "Success" });
    }
    const body = (await request.json()) as Kept;
    if (request.method === "PATCH") {
      const type = request.headers.get("content-type");
      return Response.json(this.put(collection, { ...kept, lastPatch: { type, query: url.search, body } }));
    }
    const wanted = body.metadata.resourceVersion;
    if (wanted && wanted !== kept.metadata.resourceVersion)
      return status(409, "Conflict", "the object has been modified");
    return Response.json(this.put(collection, body));
  }

  #create(collection: string, body: Kept, request: Request): Response {
    const review = this.#reviews.get(collection);
    if (review) {
      const answer = review(body, request);
      return answer instanceof Response ? answer : Response.json(answer, { status: 201 });
    }
    const { name, namespace } = body.metadata;
    if (this.#objects.has(keyOf(collection, namespace, name)))
      return status(409, "AlreadyExists", `"${name}" already exists`);
    return Response.json(this.put(collection, body), { status: 201 });
  }

  #list(collection: string, namespace: string | undefined, url: URL): Response {
    const selector = url.searchParams.get("labelSelector") ?? "";
    const all = this.#matching(collection, namespace).filter((kept) => isSelected(kept, selector));
    const [from = 0, version = this.#version] = (url.searchParams.get("continue") ?? "")
      .split("@")
      .filter(Boolean)
      .map(Number);
    if (version < this.#oldestVersion)
      return status(410, "Expired", "The provided continue parameter is too old to display a consistent list result");
    const limit = Number(url.searchParams.get("limit") ?? all.length) || all.length;
    const next = from + limit < all.length ? `${from + limit}@${version}` : undefined;
    const items = all.slice(from, from + limit).map(({ apiVersion: _, kind: __, ...rest }) => rest);
    return Response.json({ metadata: { resourceVersion: String(this.#version), continue: next }, items });
  }

  #watch(collection: string, namespace: string | undefined, url: URL, request: Request): Response {
    const from = Number(url.searchParams.get("resourceVersion") ?? 0);
    if (from < this.#oldestVersion) {
      const error = {
        type: "ERROR",
        object: { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" },
      };
      return new Response(`${JSON.stringify(error)}\n`);
    }
    const missed = this.#matching(collection, namespace).filter((kept) => Number(kept.metadata.resourceVersion) > from);
    const stream = new ReadableStream<string>({
      start: (controller) => {
        const watcher: Watcher = {
          collection,
          namespace,
          write: (event) => controller.enqueue(`${JSON.stringify(event)}\n`),
          end: () => {
            this.#watchers.delete(watcher);
            controller.close();
          },
        };
        controller.enqueue("\n"); // headers leave only with the first byte
        for (const object of missed) watcher.write({ type: "ADDED", object });
        this.#watchers.add(watcher);
        request.signal.addEventListener("abort", () => this.#watchers.delete(watcher));
      },
    });
    return new Response(stream.pipeThrough(new TextEncoderStream()));
  }

  #matching(collection: string, namespace: string | undefined): Kept[] {
    return [...this.#objects]
      .filter(
        ([key, kept]) => key.startsWith(`${collection}|`) && (!namespace || kept.metadata.namespace === namespace),
      )
      .map(([, kept]) => kept);
  }

  #tell(collection: string, type: string, object: Kept): void {
    for (const watcher of this.#watchers) {
      if (watcher.collection !== collection) continue;
      if (watcher.namespace && watcher.namespace !== object.metadata.namespace) continue;
      watcher.write({ type, object });
    }
  }
}

/** Knows `key` and `key=value`, joined by commas. */
function isSelected({ metadata }: Kept, selector: string): boolean {
  const labels = (metadata["labels"] ?? {}) as Record<string, string>;
  return selector.split(",").every((term) => {
    const [key = "", value] = term.split("=");
    return key === "" || (value === undefined ? key in labels : labels[key] === value);
  });
}

function keyOf(collection: string, namespace: string | undefined, name: string): string {
  return `${collection}|${namespace ?? ""}/${name}`;
}

/** `/api/v1/namespaces/ns/pods/p` → pods, ns, p. Subresources fall on their object. */
function parsePath(path: string): { collection: string; namespace: string | undefined; name: string | undefined } {
  const parts = path.split("/").slice(path.startsWith("/apis/") ? 4 : 3);
  const isNamespaced = parts[0] === "namespaces" && parts.length > 2;
  const [collection, name] = isNamespaced ? parts.slice(2) : parts;
  return { collection: collection!, namespace: isNamespaced ? parts[1] : undefined, name };
}

function status(code: number, reason: string, message: string): Response {
  return Response.json(
    { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message },
    { status: code },
  );
}

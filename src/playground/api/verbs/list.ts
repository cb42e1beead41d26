import { isObject, type KubeObject } from "../../store/object.ts";
import { apiVersionOf, storageKey } from "../../store/resources.ts";
import { StatusError } from "../../store/status.ts";
import type { ResourceCall } from "../call.ts";
import { formOf, inVersion, sendJson } from "../respond.ts";
import { selectorPredicate } from "../selectors.ts";
import { toTable } from "../table/table.ts";

/** GET of a collection: selectors, and pages by `limit` and `continue`. */
export function list(call: ResourceCall): void {
  const { type, parts } = call;
  const form = formOf(call);
  const page = pageOf(call, selected(call));
  const metadata = {
    resourceVersion: String(parts.store.revision),
    ...(page.next ? { continue: page.next, remainingItemCount: page.remaining } : {}),
  };
  const items = page.items.map((object) => inVersion(call, object));
  if (form.kind === "table") {
    const { include, version } = form;
    const options = {
      nowMs: parts.clock.wallMs(),
      include,
      version,
      resourceVersion: metadata.resourceVersion,
      withHeader: true,
    };
    sendJson(call, 200, { ...toTable(type, parts.types, items, options), metadata });
  } else if (form.kind === "partial") {
    const shaped = items.map((item) => ({ metadata: item.metadata }));
    sendJson(call, 200, {
      kind: "PartialObjectMetadataList",
      apiVersion: `meta.k8s.io/${form.version}`,
      metadata,
      items: shaped,
    });
  } else sendJson(call, 200, { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items });
}

/** What a collection request means: namespace, selectors, and a single name in the path of an old-style watch. */
export function selected(call: ResourceCall): KubeObject[] {
  const query = call.url.searchParams;
  const isWanted = selectorPredicate(query.get("labelSelector"), query.get("fieldSelector"));
  const all = call.parts.store.list(storageKey(call.type), call.type.isNamespaced ? call.info.namespace : undefined);
  return isWanted ? all.filter(isWanted) : all;
}

interface Page {
  readonly items: KubeObject[];
  readonly next: string | undefined;
  readonly remaining: number;
}

/** Pages continue after a name, so objects that come or go between pages do no harm; a page may show newer states. */
function pageOf(call: ResourceCall, all: KubeObject[]): Page {
  const query = call.url.searchParams;
  const limit = Number(query.get("limit") ?? 0);
  const after = query.get("continue") ? afterOf(query.get("continue")!) : undefined;
  const rest = after === undefined ? all : all.filter((object) => keyOf(object) > after);
  if (!(limit > 0) || rest.length <= limit) return { items: rest, next: undefined, remaining: 0 };
  const items = rest.slice(0, limit);
  const next = Buffer.from(JSON.stringify({ after: keyOf(items.at(-1)!) })).toString("base64url");
  return { items, next, remaining: rest.length - limit };
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

function afterOf(token: string): string {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (isObject(value) && typeof value["after"] === "string") return value["after"];
  } catch {
    // said below
  }
  throw StatusError.badRequest("continue key is not valid: wanted the metadata.continue of an earlier page");
}

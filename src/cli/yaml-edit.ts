import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { CliError } from "./cli-error.ts";

/** A document of a manifest that keeps its comments, its order and the spelling of its scalars while it is changed. */
export interface ManifestDocument {
  /** The value as Kubernetes would read it; undefined for an empty document. */
  readonly value: unknown;
  /** Makes the document say `target`, touching only what differs. */
  update(target: unknown): void;
  /** The document's text, without a separator. */
  text(): string;
}

/**
 * Reads a YAML (or JSON) stream with the rules of Kubernetes' readers, which take `yes` and `on` for booleans.
 * `source` names the stream in errors.
 */
export function readDocuments(text: string, source: string): ManifestDocument[] {
  const style: Style = {
    indentSeq: !/^( *)[^\s#-][^\n]*:[ \t]*\n\1- /m.test(text),
    flowCollectionPadding: !/[[{][^\s\]}]/.test(text),
  };
  return parseAllDocuments(text, { version: "1.1", uniqueKeys: true, keepSourceTokens: false }).map((document) => {
    const failure = document.errors[0];
    if (failure) throw new CliError(`Cannot parse ${source}: ${failure.message}`);
    return new Edited(document as Document, style);
  });
}

/** How the author lays things out. */
interface Style {
  readonly indentSeq: boolean;
  readonly flowCollectionPadding: boolean;
}

class Edited implements ManifestDocument {
  readonly #document: Document;
  readonly #style: Style;

  constructor(document: Document, style: Style) {
    this.#document = document;
    this.#style = style;
    if (document.directives) document.directives.docStart = null;
  }

  get value(): unknown {
    return this.#document.toJS() ?? undefined;
  }

  update(target: unknown): void {
    this.#document.contents = reconcile(this.#document, this.#document.contents, target) as never;
  }

  text(): string {
    const { directives } = this.#document;
    if (directives) directives.yaml = { ...directives.yaml, explicit: false };
    return this.#document.toString({ lineWidth: 0, ...this.#style });
  }
}

/** A node that says `target`: the old one, changed in place where it can be. */
function reconcile(document: Document, node: unknown, target: unknown): Node {
  if (isMap(node) && isRecord(target)) return reconcileMap(document, node, target);
  if (isSeq(node) && Array.isArray(target)) return reconcileList(document, node, target);
  if (isNodeWith(document, node, target)) return node as Node;
  return fresh(document, target);
}

function isNodeWith(document: Document, node: unknown, target: unknown): boolean {
  if (node === null || node === undefined) return false;
  return JSON.stringify((node as Node).toJS(document)) === JSON.stringify(target);
}

function reconcileMap(document: Document, map: YAMLMap, target: Record<string, unknown>): Node {
  const keyOf = (key: unknown) => String(isScalar(key) ? key.value : key);
  map.items = map.items.filter((pair) => Object.hasOwn(target, keyOf(pair.key)) || keyOf(pair.key) === "<<");
  for (const [key, value] of Object.entries(target)) {
    const pair = map.items.find((item) => keyOf(item.key) === key);
    if (pair) pair.value = reconcile(document, pair.value, value);
    else if (!isNodeWith(document, map.get(key, true), value))
      map.items.push(document.createPair(key, fresh(document, value)));
  }
  return map;
}

/** Items are matched by their `name` where they have one (containers, volumes, ports), otherwise by their value. */
function reconcileList(document: Document, list: YAMLSeq, target: unknown[]): Node {
  const left = [...list.items];
  list.items = target.map((value) => {
    const at = left.findIndex((item) => isSame(document, item as Node, value));
    const [found] = at === -1 ? [undefined] : left.splice(at, 1);
    return reconcile(document, found, value);
  });
  return list;
}

function isSame(document: Document, item: Node, value: unknown): boolean {
  if (isMap(item) && isRecord(value) && typeof value["name"] === "string") return item.get("name") === value["name"];
  return isNodeWith(document, item, value);
}

/** Text that a reader of YAML 1.1 would take for something else is quoted. */
const AMBIGUOUS =
  /^(y|n|yes|no|on|off|true|false|null|~|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|0[0-7_]+|0o[0-7]+)$/i;

function fresh(document: Document, value: unknown): Node {
  const node = document.createNode(value, { aliasDuplicateObjects: false }) as Node;
  visit(node, {
    Scalar(_, scalar) {
      if (typeof scalar.value === "string" && AMBIGUOUS.test(scalar.value)) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return node;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

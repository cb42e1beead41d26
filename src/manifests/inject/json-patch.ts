/** One step of an RFC 6902 patch. Only additions are needed here. */
export interface PatchOperation {
  readonly op: "add";
  readonly path: string;
  readonly value: unknown;
}

/** Collects the steps of a patch under one template. */
export class PatchBuilder {
  readonly operations: PatchOperation[] = [];
  readonly #pathPrefix: string;

  constructor(pathPrefix: string) {
    this.#pathPrefix = pathPrefix;
  }

  /** `path` continues the prefix; its keys must be escaped already. */
  add(path: string, value: unknown): void {
    this.operations.push({ op: "add", path: this.#pathPrefix + path, value });
  }

  /** Adds each entry of a map, keys sorted; makes the map first when there is none. */
  addEntries(path: string, entries: Readonly<Record<string, string>>, hasMap: boolean): void {
    if (!hasMap) this.add(path, {});
    for (const key of Object.keys(entries).sort()) this.add(`${path}/${escapeKey(key)}`, entries[key]);
  }
}

/** A key as a JSON pointer writes it (RFC 6901 §3). */
export function escapeKey(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

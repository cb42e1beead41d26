import { type Manifest, shapeError } from "#manifests/inject";
import { CliError } from "./cli-error.ts";
import type { CliContext } from "./context.ts";
import { readInput } from "./inputs.ts";
import { type ManifestFormat, printManifests } from "./manifest-output.ts";
import { type ManifestDocument, readDocuments } from "./yaml-edit.ts";

/** Changes one object; a List's items are given one by one. The result replaces it. */
export type ChangeObject = (object: Manifest) => Manifest;

/** Reads every document behind the arguments, changes each object, and prints all of them or, on any failure, nothing. */
export async function transformInputs(
  names: readonly string[],
  change: ChangeObject,
  format: ManifestFormat,
  context: CliContext,
): Promise<void> {
  if (names.length === 0) throw new CliError("please specify a kubernetes resource file");
  const printed: string[] = [];
  for (const name of names) {
    for (const input of await readInput(name, context.io)) {
      for (const document of readDocuments(input.text, input.name)) {
        if (read(document, input.name) === undefined) continue;
        changeDocument(document, change, input.name);
        printed.push(
          format === "json" ? printManifests([document.value as object], "json") : `${document.text()}---\n`,
        );
      }
    }
  }
  context.io.out(printed.join(""));
}

/** What a document says. One that names parts of itself so often that it would fill the memory says nothing. */
function read(document: ManifestDocument, source: string): unknown {
  try {
    return document.value;
  } catch (cause) {
    throw new CliError(`Cannot read ${source}: ${(cause as Error).message}`);
  }
}

function changeDocument(document: ManifestDocument, change: ChangeObject, source: string): void {
  const value = read(document, source);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CliError(`Cannot read ${source}: wanted Kubernetes objects, got ${JSON.stringify(value)?.slice(0, 80)}`);
  }
  document.update(changeObject(value as Manifest, change, source));
}

function changeObject(object: Manifest, change: ChangeObject, source: string): Manifest {
  if (object.kind !== "List") return change(readable(object, source));
  const items = (object as { items?: unknown }).items ?? [];
  if (!Array.isArray(items)) throw new CliError(`Cannot read the List in ${source}: items must be a list`);
  return { ...object, items: items.map((item) => change(readable(item, source))) } as Manifest;
}

function readable(object: Manifest, source: string): Manifest {
  const error = shapeError(object);
  if (error === undefined) return object;
  const name = object.metadata?.name ?? "";
  throw new CliError(`Cannot read ${String(object.kind ?? "object").toLowerCase()} "${name}" in ${source}: ${error}`);
}

import type { Manifest } from "#manifests/inject";
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
        if (document.value === undefined) continue;
        changeDocument(document, change, input.name);
        printed.push(
          format === "json" ? printManifests([document.value as object], "json") : `${document.text()}---\n`,
        );
      }
    }
  }
  context.io.out(printed.join(""));
}

function changeDocument(document: ManifestDocument, change: ChangeObject, source: string): void {
  const { value } = document;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CliError(`Cannot read ${source}: wanted Kubernetes objects, got ${JSON.stringify(value)?.slice(0, 80)}`);
  }
  document.update(changeObject(value as Manifest, change));
}

function changeObject(object: Manifest, change: ChangeObject): Manifest {
  if (object.kind !== "List") return change(object);
  const items = (object as { items?: Manifest[] }).items ?? [];
  return { ...object, items: items.map((item) => change(item)) } as Manifest;
}

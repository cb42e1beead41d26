import { toYaml } from "#lib/yaml";
import { CliError } from "./cli-error.ts";

export type ManifestFormat = "yaml" | "json";

/** Reads `-o`. */
export function manifestFormat(text: string): ManifestFormat {
  if (text === "yaml" || text === "json") return text;
  throw new CliError(`Cannot print as "${text}": -o must be yaml or json`);
}

/** Objects as a stream for `kubectl apply -f -`: YAML documents, or one JSON object a line. */
export function printManifests(objects: readonly object[], format: ManifestFormat): string {
  if (format === "json") return objects.map((object) => `${JSON.stringify(object)}\n`).join("");
  return objects.map((object) => `${toYaml(object)}---\n`).join("");
}

import { parseAllDocuments, stringify } from "yaml";

/** Every document of a YAML stream as plain values; empty documents are left out. Throws with line and column on bad input. */
export function parseYamlAll(text: string): unknown[] {
  const values: unknown[] = [];
  for (const document of parseAllDocuments(text, { uniqueKeys: true })) {
    const failure = document.errors[0];
    if (failure) throw new Error(`Cannot parse YAML: ${failure.message}`);
    const value: unknown = document.toJS();
    if (value !== null && value !== undefined) values.push(value);
  }
  return values;
}

/** One document as YAML that Kubernetes' YAML 1.1 readers take for the same value (`yes`, `on`, `1:30` come out quoted). */
export function toYaml(value: unknown): string {
  return stringify(value, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
}

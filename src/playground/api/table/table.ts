import type { PrinterColumn } from "../../schema/crd.ts";
import type { KubeObject } from "../../store/object.ts";
import { type ResourceType, storageKey } from "../../store/resources.ts";
import type { Types } from "../types.ts";
import { ageText } from "./age.ts";
import { AGE, COLUMNS, type Column, NAME } from "./columns.ts";
import { readJsonPath } from "./json-path.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

/** Objects as a `meta.k8s.io` Table. `withHeader` false leaves the columns out (watch events after the first). */
export function toTable(
  type: ResourceType,
  types: Types,
  objects: readonly KubeObject[],
  options: { nowMs: number; include: IncludeObject; version: string; resourceVersion: string; withHeader: boolean },
): Record<string, unknown> {
  const columns = columnsOf(type, types);
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: { resourceVersion: options.resourceVersion },
    columnDefinitions: options.withHeader ? columns.map(definition) : null,
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.nowMs)),
      object: included(object, options.include, options.version),
    })),
  };
}

function included(object: KubeObject, include: IncludeObject, version: string): unknown {
  if (include === "None") return undefined;
  if (include === "Object") return object;
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

function definition(column: Column): Record<string, unknown> {
  const format = column === NAME ? "name" : "";
  return { name: column.name, type: column.type, format, description: "", priority: column.isWide ? 1 : 0 };
}

function columnsOf(type: ResourceType, types: Types): readonly Column[] {
  if (!type.isCustom) return COLUMNS[storageKey(type)] ?? [NAME, AGE];
  const own = types.customOf(type)?.additionalPrinterColumns;
  return own?.length ? [NAME, ...own.map(customColumn)] : [NAME, AGE];
}

function customColumn(column: PrinterColumn): Column {
  const isDate = column.type === "date";
  return {
    name: column.name,
    type: isDate ? "date" : column.type === "integer" ? "integer" : "string",
    isWide: (column.priority ?? 0) > 0,
    cell(object, nowMs) {
      const values = readJsonPath(object, column.jsonPath);
      const value = values[0];
      if (value === undefined || value === null) return isDate ? "<unknown>" : "";
      if (isDate) return ageText(String(value), nowMs);
      if (column.type === "integer" && typeof value === "number") return value;
      return typeof value === "object" ? JSON.stringify(value) : String(value);
    },
  };
}

/** Tables as Linkerd prints them. Every printer returns lines that end in a newline. */

/**
 * Values under their headers, three spaces apart, right-aligned; the first `leftColumns` are left-aligned.
 * Used by `viz stat`, `viz edges`, `viz routes`.
 */
export function statTable(header: readonly string[], rows: readonly (readonly string[])[], leftColumns = 1): string {
  const widths = columnWidths([header, ...rows]);
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => (index < leftColumns ? pad(cell, widths[index]!) : padLeft(cell, widths[index]!)))
      .join("   ");
  return lines([header, ...rows].map(line));
}

/** Left-aligned columns, three spaces apart. Used by `diagnostics endpoints`. */
export function leftTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columnWidths([header, ...rows]);
  return lines([header, ...rows].map((cells) => cells.map((cell, index) => pad(cell, widths[index]!)).join("   ")));
}

export interface FixedColumn {
  readonly header: string;
  /** The least width; with `flexible` the widest cell decides. */
  readonly width: number;
  readonly flexible?: boolean;
  readonly align?: "left" | "right";
}

/** Columns of a least width, two spaces after each, the last included. Used by `authz`, `viz stat-inbound`, `multicluster gateways`. */
export function fixedTable(columns: readonly FixedColumn[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ header, width, flexible }, index) =>
    flexible ? Math.max(width, widthOf(header), ...rows.map((row) => widthOf(row[index] ?? ""))) : width,
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => {
        const width = widths[index]!;
        return `${columns[index]!.align === "right" ? padLeft(cell, width) : pad(cell, width)}  `;
      })
      .join("");
  return lines([columns.map((column) => column.header), ...rows].map(line));
}

/** `99.50%`. */
export function percent(ratio: number | undefined): string {
  return ratio === undefined ? "-" : `${(ratio * 100).toFixed(2)}%`;
}

/** `12.3rps`. */
export function rps(perSecond: number | undefined): string {
  return perSecond === undefined ? "-" : `${perSecond.toFixed(1)}rps`;
}

/** `12ms`. */
export function milliseconds(ms: number | undefined): string {
  return ms === undefined ? "-" : `${Math.round(ms)}ms`;
}

/** `12.3B/s`. */
export function bytesPerSecond(rate: number | undefined): string {
  return rate === undefined ? "-" : `${rate.toFixed(1)}B/s`;
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(cell));
    });
  }
  return widths;
}

function widthOf(cell: string): number {
  return [...cell].length; // √ is one column
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(Math.max(0, width - widthOf(cell)));
}

function padLeft(cell: string, width: number): string {
  return " ".repeat(Math.max(0, width - widthOf(cell))) + cell;
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}

/** Collects what is wrong with an object: which field, what stood there, what was wanted. */
export class Problems {
  readonly messages: string[] = [];

  add(field: string, value: unknown, wanted: string): void {
    this.messages.push(`${field}: ${quote(value)} must be ${wanted}`);
  }

  /** Adds the problem unless the condition holds. */
  expect(holds: boolean, field: string, value: unknown, wanted: string): void {
    if (!holds) this.add(field, value, wanted);
  }

  /** A problem that is not about one value. */
  say(message: string): void {
    this.messages.push(message);
  }
}

const MAX_QUOTED_CHARS = 100;

function quote(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? "nothing");
  return text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text;
}

/** Whether a value is a map, as YAML and JSON have them. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The maps of a list; anything else in it is a problem of its own. */
export function mapsOf(problems: Problems, field: string, value: unknown): Readonly<Record<string, unknown>>[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    problems.add(field, value, "a list");
    return [];
  }
  value.forEach((item, i) => {
    problems.expect(isMap(item), `${field}[${i}]`, item, "a map");
  });
  return value.filter(isMap);
}

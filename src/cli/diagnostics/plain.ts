/** A protobuf message as JSON can hold it: 64-bit numbers as text. */
export function plainOf(message: unknown): unknown {
  return JSON.parse(JSON.stringify(message, (_, value) => (typeof value === "bigint" ? String(value) : value)));
}

/** Who asks, as the proxy was told at injection. All of it may be missing. */
export interface ClientContext {
  readonly namespace: string | undefined;
  readonly nodeName: string | undefined;
  readonly pod: string | undefined;
}

const NOBODY: ClientContext = { namespace: undefined, nodeName: undefined, pod: undefined };

/** Reads `{"ns","nodeName","pod"}` or the older `ns:<namespace>`; anything else counts as empty. It grants nothing. */
export function parseContextToken(token: string): ClientContext {
  if (token.startsWith("ns:")) return { ...NOBODY, namespace: token.slice(3) || undefined };
  try {
    const value = JSON.parse(token) as Record<string, unknown>;
    return { namespace: text(value["ns"]), nodeName: text(value["nodeName"]), pod: text(value["pod"]) };
  } catch {
    return NOBODY; // an old or foreign client; it gets answers without zone and namespace preferences
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

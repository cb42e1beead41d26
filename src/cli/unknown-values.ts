import { defaultValues } from "#manifests/install";

/** Values that have no default, and those that only `--crds` reads. */
const WITHOUT_DEFAULT = new Set([
  "tolerations",
  "nodeAffinity",
  "configReaders",
  "destinationResources",
  "destinationProxyResources",
  "identityResources",
  "identityProxyResources",
  "proxyInjectorResources",
  "proxyInjectorProxyResources",
  "spValidatorResources",
  "installGatewayAPI",
  "enableHttpRoutes",
  "cores",
  "maximum",
  "maximumCPURatio",
  "accessLog",
  "requireTLSOnInboundPorts",
  "additionalEnv",
  "experimentalEnv",
  "additionalArgs",
  "experimentalArgs",
  "enableSecurityContext",
]);

/** Maps whose keys are the user's own. */
const FREE = new Set(["deploymentStrategy", "nodeSelector", "securityContext", "inbound", "outbound", "labels"]);

/**
 * A sentence for each value that nothing reads: a slip of the finger would otherwise change nothing, in silence.
 * Values files written for Linkerd's charts may hold some on purpose, so they are no error.
 */
export function unknownValues(tree: Record<string, unknown>): string[] {
  return compare(tree, defaultValues() as unknown as Record<string, unknown>, "");
}

function compare(tree: Record<string, unknown>, known: Record<string, unknown>, path: string): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    if (WITHOUT_DEFAULT.has(key) || FREE.has(key)) return [];
    const here = path + key;
    if (!Object.hasOwn(known, key)) return [sentence(here, path, nearest(key, Object.keys(known)))];
    const below = known[key];
    return isOpen(value) && isOpen(below) && Object.keys(below).length > 0 ? compare(value, below, `${here}.`) : [];
  });
}

function sentence(name: string, path: string, near: string | undefined): string {
  return `No value is called "${name}": it changes nothing${near ? ` (did you mean ${path}${near}?)` : ""}`;
}

function isOpen(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The name most like `typed`, if at most two letters are off. */
function nearest(typed: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, off: distance(typed.toLowerCase(), name.toLowerCase()) }));
  ranked.sort((a, b) => a.off - b.off);
  return ranked[0] && ranked[0].off <= 2 ? ranked[0].name : undefined;
}

/** Levenshtein's distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

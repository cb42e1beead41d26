/** Says whether a DNS name lies under one of some suffixes. */
export interface NameSuffixes {
  readonly isEmpty: boolean;
  matches(name: string): boolean;
}

/** Reads `svc.cluster.local.,example.com`; `.` is every name, nothing is none. */
export function readSuffixes(text: string): NameSuffixes {
  const suffixes = text.split(",").map((part) => part.trim().toLowerCase());
  const isAny = suffixes.includes(".");
  const wanted = suffixes.map((suffix) => suffix.replace(/\.$/, "")).filter((suffix) => suffix !== "");
  return {
    isEmpty: !isAny && wanted.length === 0,
    matches(name) {
      const plain = name.toLowerCase().replace(/\.$/, "");
      return isAny || wanted.some((suffix) => plain === suffix || plain.endsWith(`.${suffix}`));
    },
  };
}

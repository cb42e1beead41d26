import type { ExtensionEntry } from "#cli";

/** The extensions that come with this executable; each is loaded when its name is typed or `check` runs. */
export const extensions: readonly ExtensionEntry[] = [
  {
    name: "viz",
    summary: "Golden metrics and connections of meshed workloads",
    load: async () => (await import("#viz")).viz,
  },
];

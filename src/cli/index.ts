/**
 * The `linkerd` command line: parsing, checks, manifests in and out. It talks to the mesh through Kubernetes and
 * port-forwards, as a third party would; it holds no logic of the mesh itself.
 *
 * Reading order: program.ts (what is loaded when), context.ts, io.ts (the world), commands/ (one file each), checks/
 * (engine.ts, then one file per category), extension.ts (the seam for viz and multicluster).
 */
export type { Extension, ExtensionEntry } from "./extension.ts";
export { type Io, processIo } from "./io.ts";
export { COMMANDS, type CommandEntry, run } from "./program.ts";

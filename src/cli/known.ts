import type { ExtensionEntry } from "./extension.ts";

/** What one command may need to know of the others. */
export interface Known {
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly extensions: readonly ExtensionEntry[];
}

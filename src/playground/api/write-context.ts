import type { User } from "./users.ts";

/** How a write is to be done and by whom. */
export interface WriteContext {
  readonly user: User;
  readonly fieldManager: string;
  readonly isDryRun: boolean;
  readonly fieldValidation: "Strict" | "Warn" | "Ignore";
  readonly warn: (text: string) => void;
  /** True when the object carries its managedFields already (server-side apply). */
  readonly isApply?: boolean;
  /** The subresource to note in managedFields when it is not the one written through (`scale`). */
  readonly managedThrough?: string;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly preconditions?: { uid?: string; resourceVersion?: string };
}

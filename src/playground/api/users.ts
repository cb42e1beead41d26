/** Who asks, as authentication found out. */
export interface User {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export const MASTERS = "system:masters";
export const AUTHENTICATED = "system:authenticated";

/** The playground's own parts; allowed everything. */
export function systemUser(name: string): User {
  return { name, groups: [MASTERS, AUTHENTICATED] };
}

export const ANONYMOUS: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

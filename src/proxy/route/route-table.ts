import type { RequestHead } from "#message";
import { hostOf, type RequestMatch } from "./request-match.ts";

/** One rule of one route, with the ways a request may match it. */
export interface RuleEntry<T> {
  readonly matches: readonly RequestMatch[];
  readonly rule: T;
}

/**
 * Which rule a request follows. All ways to match are laid out flat in order of precedence when the table is made
 * (ties keep the order of the list), so that finding is walking until the first fit. What it says never changes.
 */
export class RouteTable<T> {
  readonly #entries: readonly { readonly match: RequestMatch; readonly rule: T }[];
  readonly #always: T | undefined; // the only rule, when it takes everything
  #lastAuthority = ""; // requests for one authority come in a row
  #lastHost = "";

  constructor(rules: readonly RuleEntry<T>[]) {
    const entries = rules.flatMap(({ matches, rule }) => matches.map((match) => ({ match, rule })));
    this.#entries = entries.sort((a, b) => compareRanks(b.match.rank, a.match.rank));
    this.#always = entries.length === 1 && isCatchAll(entries[0].match) ? entries[0].rule : undefined;
  }

  find(head: RequestHead): T | undefined {
    if (this.#always !== undefined) return this.#always;
    const host = this.#hostOf(head.authority);
    for (const { match, rule } of this.#entries) if (match.matches(head, host)) return rule;
    return undefined;
  }

  #hostOf(authority: string): string {
    if (authority === this.#lastAuthority) return this.#lastHost;
    this.#lastAuthority = authority;
    this.#lastHost = hostOf(authority);
    return this.#lastHost;
  }
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

/** Rank of a match on prefix `/` of any host. gRPC's differs in its path place, as it takes only POST. */
function isCatchAll(match: RequestMatch): boolean {
  return match.rank.join() === "0,0,1,0,0,0";
}

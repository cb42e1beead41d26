import type { Io } from "./io.ts";

/** The three signs that Linkerd's users look for. */
export const SIGNS = { ok: "√", warning: "‼", failure: "×" } as const;

const COLOURS = { ok: "\u001b[32;1m", warning: "\u001b[33;1m", failure: "\u001b[31;1m" } as const;

/** A sign, coloured when a terminal shows it. */
export function sign(io: Pick<Io, "isTerminal">, kind: keyof typeof SIGNS): string {
  return io.isTerminal ? `${COLOURS[kind]}${SIGNS[kind]}\u001b[0m` : SIGNS[kind];
}

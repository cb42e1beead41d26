import type { Container } from "#kube/types";
import type { Clock } from "#lib/clock";
import { ask, type ProbeTarget } from "./probe-actions.ts";

type Hook = NonNullable<NonNullable<Container["lifecycle"]>["postStart"]>;

/** Runs a postStart or preStop hook; undefined when it went well, else what was wrong. Cut off after `limitMs`. */
export async function runHook(
  hook: Hook,
  target: ProbeTarget,
  clock: Clock,
  limitMs: number,
): Promise<string | undefined> {
  const { sleep } = hook as { sleep?: { seconds: number } };
  if (!sleep) return await ask(hook, target, limitMs);
  const { promise, resolve } = Promise.withResolvers<undefined>();
  clock.schedule(Math.min(sleep.seconds * 1000, limitMs), () => resolve(undefined));
  return await promise;
}

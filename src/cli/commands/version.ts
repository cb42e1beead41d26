import type { Command } from "commander";
import { VERSION } from "#contracts/version";
import type { CliContext } from "../context.ts";

interface VersionFlags {
  short?: boolean;
  client?: boolean;
  proxy?: boolean;
  namespace?: string;
}

const SERVER_TIMEOUT_MS = 5_000;

/** `linkerd version`. */
export function define(command: Command, context: CliContext): void {
  command
    .option("--short", "print the version numbers only")
    .option("--client", "print the client's version only")
    .option("--proxy", "print the proxies' versions too")
    .option("-n, --namespace <namespace>", "namespace for --proxy; all by default")
    .addHelpText(
      "before",
      "Examples:\n  linkerd version\n  linkerd version --client --short\n  linkerd version --proxy -n shop\n",
    )
    .action((flags: VersionFlags) => print(flags, context));
}

async function print(flags: VersionFlags, context: CliContext): Promise<void> {
  const { io } = context;
  io.out(flags.short ? `${VERSION}\n` : `Client version: ${VERSION}\n`);
  if (flags.client) return;
  const server = await orUnavailable(serverVersion(context), context);
  io.out(flags.short ? `${server}\n` : `Server version: ${server}\n`);
  if (flags.proxy) await printProxies(flags, context);
}

async function serverVersion(context: CliContext): Promise<string> {
  const { storedValues } = await import("../installed.ts");
  const values = await storedValues(await context.client(), context.linkerdNamespace);
  return values?.linkerdVersion ?? "unavailable";
}

/** What is not there in time is not there: a version must not hang on a cluster that is down. */
async function orUnavailable(answer: Promise<string>, { io, globals }: CliContext): Promise<string> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<string>((resolve) => {
    timer = io.clock.schedule(SERVER_TIMEOUT_MS, () => resolve("unavailable"));
  });
  const guarded = answer.catch((failure: unknown) => {
    if (globals.verbose) io.err(`${failure instanceof Error ? failure.message : String(failure)}\n`);
    return "unavailable";
  });
  const found = await Promise.race([guarded, late]);
  timer?.cancel();
  return found;
}

async function printProxies({ short, namespace }: VersionFlags, context: CliContext): Promise<void> {
  const counts = await countProxies(context, namespace).catch(() => undefined);
  if (!counts || counts.size === 0) {
    context.io.out(short ? "unavailable\n" : "Proxy versions: unavailable\n");
    return;
  }
  if (!short) context.io.out("Proxy versions:\n");
  for (const [version, count] of counts) context.io.out(short ? `${version}\n` : `\t${version} (${count} pods)\n`);
}

async function countProxies(context: CliContext, namespace: string | undefined): Promise<Map<string, number>> {
  const { meshedPods, proxyVersion } = await import("../pods.ts");
  const pods = await meshedPods(await context.client(), context.linkerdNamespace, namespace);
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const version = proxyVersion(pod) ?? "unknown";
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  return counts;
}

import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import type { IdentityFlags } from "../identity.ts";

/** `linkerd identity`: the certificates that proxies show right now. */
export function define(command: Command, context: CliContext): void {
  command
    .option("-n, --namespace <namespace>", "namespace of the pods; the context's by default")
    .option("-l, --selector <selector>", "label selector of the pods")
    .addHelpText("before", "Examples:\n  linkerd identity -n shop web-7d9c5b\n  linkerd identity -n shop -l app=web\n")
    .action(async (names: string[], flags: IdentityFlags) => {
      const { identity } = await import("../identity.ts");
      await identity(names, flags, context);
    });
}

import type { Command } from "commander";
import type { CliContext } from "../context.ts";

/** `linkerd authz`. */
export function define(command: Command, context: CliContext): void {
  command
    .option("-n, --namespace <namespace>", "namespace of the resource; the context's by default")
    .addHelpText("before", "Examples:\n  linkerd authz -n shop deploy/web\n  linkerd authz -n shop pod web-7d9c5b\n")
    .action(async (resource: string, name: string | undefined, flags: { namespace?: string }) => {
      const { authz } = await import("../authz.ts");
      await authz(name === undefined ? [resource] : [resource, name], flags.namespace, context);
    });
}

import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import type { ProfileFlags } from "../profile.ts";

/** `linkerd profile`. */
export function define(command: Command, context: CliContext): void {
  command
    .option("--template", "a profile with every field, to be edited")
    .option("--open-api <file>", "routes of an OpenAPI document (- for standard input)")
    .option("--proto <file>", "routes of a .proto file (- for standard input)")
    .option("-n, --namespace <namespace>", "namespace of the service; the context's by default")
    .option("--ignore-cluster", "take cluster.local for the cluster's domain")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .addHelpText(
      "before",
      `Examples:
  linkerd profile -n shop --open-api web.swagger web | kubectl apply -f -
  linkerd profile -n shop --proto voting.proto voting | kubectl apply -f -
  linkerd profile -n shop --template web > web-profile.yaml
`,
    )
    .action(async (service: string, flags: ProfileFlags) => {
      const { profile } = await import("../profile.ts");
      await profile(service, flags, context);
    });
}

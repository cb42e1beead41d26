import type { Command } from "commander";
import { type Manifest, reportOn, uninject } from "#manifests/inject";
import type { CliContext } from "../context.ts";
import { withoutEmptied } from "../emptied.ts";
import { printUninjectReport, type Transformed } from "../inject-report.ts";
import { manifestFormat } from "../manifest-output.ts";
import { transformInputs } from "../transform.ts";

/** `linkerd uninject`. */
export function define(command: Command, context: CliContext): void {
  command
    .option("-o, --output <format>", "yaml or json", "yaml")
    .addHelpText(
      "before",
      `Examples:
  kubectl get deploy -o yaml | linkerd uninject - | kubectl apply -f -
  linkerd uninject meshed.yaml
`,
    )
    .action((names: string[], flags: { output: string }) => run(names, flags.output, context));
}

async function run(names: string[], output: string, context: CliContext): Promise<void> {
  const done: Transformed[] = [];
  const change = (original: Manifest): Manifest => {
    const { object, hasChanged } = uninject(original);
    done.push({ report: reportOn(original), did: hasChanged ? "uninjected" : "skipped" });
    return withoutEmptied(object, original);
  };
  await transformInputs(names, change, manifestFormat(output), context);
  printUninjectReport(done, context.io);
}

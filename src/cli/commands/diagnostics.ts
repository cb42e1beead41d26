import type { Command } from "commander";
import type { CliContext } from "../context.ts";

/** `linkerd diagnostics`: each part is loaded when it runs. */
export function define(command: Command, context: CliContext): void {
  command.addHelpText(
    "before",
    `Examples:
  linkerd diagnostics endpoints web.shop.svc.cluster.local:80
  linkerd diagnostics profile 10.96.0.12:80
  linkerd diagnostics policy -n shop po/web-7d9c5b 8080
  linkerd diagnostics policy -n shop svc/web 80
  linkerd diagnostics proxy-metrics -n shop po/web-7d9c5b
`,
  );
  command
    .command("proxy-metrics <resource>")
    .description("Metrics of a resource's proxies, as Prometheus reads them.")
    .option("-n, --namespace <namespace>", "namespace of the resource; the context's by default")
    .action(async (resource: string, flags: { namespace?: string }) => {
      const { proxyMetrics } = await import("../diagnostics/metrics.ts");
      await proxyMetrics(resource, flags.namespace, context);
    });
  command
    .command("controller-metrics")
    .alias("cp-metrics")
    .description("Metrics of the control plane's programs.")
    .action(async () => {
      const { controllerMetrics } = await import("../diagnostics/metrics.ts");
      await controllerMetrics(context);
    });
  command
    .command("endpoints <authorities...>")
    .alias("ep")
    .description("What the destination service answers for a name and port.")
    .option("-o, --output <format>", "table or json", "table")
    .option("--destination-pod <name>", "ask this pod of linkerd-destination")
    .option("--token <token>", "context token to ask with", "")
    .action(async (authorities: string[], flags: { output: string; destinationPod?: string; token: string }) => {
      const { endpoints } = await import("../diagnostics/endpoints.ts");
      await endpoints(authorities, flags, context);
    });
  command
    .command("policy <resource> <port>")
    .description("The policy that the control plane gives for a pod (inbound) or a service (outbound).")
    .option("-n, --namespace <namespace>", "namespace of the resource; the context's by default")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .option("--destination-pod <name>", "ask this pod of linkerd-destination")
    .option("--token <token>", "context token to ask with", "default:diagnostics")
    .action(async (resource: string, port: string, flags: PolicyFlags) => {
      const { policy } = await import("../diagnostics/policy.ts");
      await policy(resource, port, flags, context);
    });
  command
    .command("profile <address>")
    .description("The profile that the destination service gives for an address and port.")
    .option("--destination-pod <name>", "ask this pod of linkerd-destination")
    .option("--token <token>", "context token to ask with", "")
    .action(async (address: string, flags: { destinationPod?: string; token: string }) => {
      const { profile } = await import("../diagnostics/profile.ts");
      await profile(address, flags, context);
    });
}

export interface PolicyFlags {
  namespace?: string;
  output: string;
  destinationPod?: string;
  token: string;
}

import { PORTS } from "#contracts/ports";
import { toYaml } from "#lib/yaml";
import type { GrpcClient } from "#net/grpc-client";
import { PortSpec, Server } from "#proto/inbound";
import { OutboundPolicy, TrafficSpec } from "#proto/outbound";
import { CliError } from "../cli-error.ts";
import type { PolicyFlags } from "../commands/diagnostics.ts";
import type { CliContext } from "../context.ts";
import { storedValues } from "../installed.ts";
import { parseResources } from "../resource-argument.ts";
import { withControlPlane } from "./control-client.ts";
import { plainOf } from "./plain.ts";

/** Prints what the policy controller gives a pod's proxy for a port, or a client's proxy for a service's port. */
export async function policy(text: string, portText: string, flags: PolicyFlags, context: CliContext): Promise<void> {
  if (flags.output !== "yaml" && flags.output !== "json") throw new CliError("output must be one of: yaml, json");
  const [resource] = parseResources([text]);
  if (!resource?.name) throw new CliError("resource type and name are required");
  const port = Number(portText);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new CliError(`Cannot use port "${portText}": wanted 1 to 65535`);
  const namespace = flags.namespace ?? (await context.defaultNamespace());
  const ask = await question(resource, namespace, port, flags.token, context);
  const answer = await withControlPlane(context, PORTS.policy, flags.destinationPod, ask);
  const plain = plainOf(answer);
  context.io.out(flags.output === "json" ? `${JSON.stringify(plain, undefined, 2)}\n` : toYaml(plain));
}

async function question(
  { kind, name }: { kind: string; name: string },
  namespace: string,
  port: number,
  token: string,
  context: CliContext,
): Promise<(client: GrpcClient) => Promise<unknown>> {
  if (kind === "pod") {
    const request = { workload: `${namespace}:${name}`, port };
    return (client) =>
      client.unary("/io.linkerd.proxy.inbound.InboundServerPolicies/GetPort", PortSpec, Server, request);
  }
  if (kind !== "service") throw new CliError(`invalid resource type ${kind}; must be one of Pod or Service`);
  const domain = context.globals.apiAddr ? undefined : await clusterDomain(context);
  const authority = `${name}.${namespace}.svc.${domain ?? "cluster.local"}:${port}`;
  const request = { sourceWorkload: token, target: { $case: "authority" as const, value: authority } };
  return (client) =>
    client.unary("/io.linkerd.proxy.outbound.OutboundPolicies/Get", TrafficSpec, OutboundPolicy, request);
}

async function clusterDomain(context: CliContext): Promise<string | undefined> {
  return (await storedValues(await context.client(), context.linkerdNamespace))?.clusterDomain;
}

import type { Command } from "commander";
import { type CliContext, CliError, parseResources, sign, statTable } from "#cli/extension";
import { type Edge, EdgesRequest, EdgesResponse } from "#proto/viz";
import { MetricsClient } from "./metrics-client.ts";

interface EdgesFlags {
  namespace?: string;
  allNamespaces?: boolean;
  output: string;
}

/** `linkerd viz edges`: who talks to whom, and whether it is secured. */
export function defineEdges(viz: Command, context: CliContext): void {
  viz
    .command("edges")
    .summary("Display connections between resources, and their identities")
    .argument("<type>", "the kind whose connections to show: deployment, pod, namespace ...")
    .option("-n, --namespace <namespace>", "source or destination is in this namespace")
    .option("-A, --all-namespaces", "every namespace")
    .option("-o, --output <format>", "table, wide or json", "table")
    .addHelpText(
      "before",
      `Examples:
  linkerd viz edges deploy -n voting
  linkerd viz edges po -A -o wide       # with the identities of both ends
`,
    )
    .action((word: string, flags: EdgesFlags) => edges(word, flags, context));
}

async function edges(word: string, flags: EdgesFlags, context: CliContext): Promise<void> {
  if (!["table", "json", "wide"].includes(flags.output))
    throw new CliError("--output currently only supports table, json and wide");
  const [resource] = parseResources([word]);
  const namespace = flags.allNamespaces ? "" : (flags.namespace ?? (await context.defaultNamespace()));
  const client = await MetricsClient.open(context);
  try {
    const request = {
      selector: { resource: { type: resource.kind, name: resource.name, namespace }, labelSelector: "" },
    };
    const { response } = await client.call("Edges", EdgesRequest, EdgesResponse, request);
    if (response?.$case !== "ok")
      throw new CliError(`Error creating edges request: ${response?.value.error ?? "empty answer"}`);
    show(response.value.edges, flags.output, context);
  } finally {
    await client.close();
  }
}

function show(found: readonly Edge[], output: string, context: CliContext): void {
  if (output === "json") {
    context.io.out(`${JSON.stringify(found.map(toJson), undefined, 2)}\n`);
    return;
  }
  if (found.length === 0) {
    context.io.err("No edges found.\n");
    return;
  }
  const isWide = output === "wide";
  const header = ["SRC", "DST", "SRC_NS", "DST_NS", ...(isWide ? ["CLIENT_ID", "SERVER_ID"] : []), "SECURED"];
  const rows = found.map((edge) => [
    edge.src?.name ?? "",
    edge.dst?.name ?? "",
    edge.src?.namespace ?? "",
    edge.dst?.namespace ?? "",
    ...(isWide ? [shortId(edge.clientId), shortId(edge.serverId)] : []),
    edge.noIdentityMsg === "" ? sign(context.io, "ok") : edge.noIdentityMsg,
  ]);
  context.io.out(statTable(header, rows, header.length));
}

/** `<sa>.<ns>` of an identity. */
function shortId(identity: string): string {
  return identity.split(".").slice(0, 2).join(".");
}

function toJson({ src, dst, clientId, serverId, noIdentityMsg }: Edge): object {
  return {
    src: src?.name ?? "",
    src_namespace: src?.namespace ?? "",
    dst: dst?.name ?? "",
    dst_namespace: dst?.namespace ?? "",
    client_id: clientId,
    server_id: serverId,
    no_tls_reason: noIdentityMsg,
  };
}

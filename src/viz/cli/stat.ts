import type { Command } from "commander";
import { type CliContext, CliError, parseResources, type ResourceArgument, statTable } from "#cli/extension";
import { parseDuration } from "#lib/duration";
import { type Resource, StatSummaryRequest, StatSummaryResponse } from "#proto/viz";
import { MetricsClient } from "./metrics-client.ts";
import { type StatRow, statJson, statRows, statText } from "./stat-rows.ts";

interface StatFlags {
  namespace?: string;
  allNamespaces?: boolean;
  timeWindow: string;
  to?: string;
  toNamespace?: string;
  from?: string;
  fromNamespace?: string;
  output: string;
  selector?: string;
  unmeshed?: boolean;
}

const MIN_WINDOW_MS = 15_000;

/** `linkerd viz stat`: golden metrics of resources. */
export function defineStat(viz: Command, context: CliContext): void {
  viz
    .command("stat")
    .summary("Display traffic stats about one or many resources")
    .argument("<resources...>", "TYPE, TYPE/NAME or TYPE NAME...")
    .option("-n, --namespace <namespace>", "namespace of the resources")
    .option("-A, --all-namespaces", "resources of every namespace")
    .option("-t, --time-window <window>", "what counts, like 30s or 10m", "1m")
    .option("--to <resource>", "only what was sent to this resource")
    .option("--to-namespace <namespace>", "namespace of --to")
    .option("--from <resource>", "only what came from this resource")
    .option("--from-namespace <namespace>", "namespace of --from")
    .option("-o, --output <format>", "table, wide or json", "table")
    .option("-l, --selector <labels>", "only resources with these labels")
    .option("--unmeshed", "show resources without proxies too")
    .addHelpText(
      "before",
      `Examples:
  linkerd viz stat deploy -n voting              # every deployment of a namespace
  linkerd viz stat deploy/web --to deploy/voting # what web sends to voting, as web sees it
  linkerd viz stat pods -n voting -t 10m -o wide
  linkerd viz stat ns -o json
`,
    )
    .action((words: string[], flags: StatFlags) => stat(words, flags, context));
}

async function stat(words: readonly string[], flags: StatFlags, context: CliContext): Promise<void> {
  const resources = wrapped(() => parseResources(words));
  const windowMs = wrapped(() => checked(flags));
  const namespace = flags.allNamespaces ? "" : (flags.namespace ?? (await context.defaultNamespace()));
  const client = await MetricsClient.open(context);
  try {
    const rows: StatRow[] = [];
    for (const resource of resources)
      rows.push(...(await query(client, requestOf(resource, namespace, flags), windowMs, flags)));
    show(rows, flags, context);
  } finally {
    await client.close();
  }
}

function wrapped<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new CliError(`error creating metrics request while making stats request: ${(thrown as Error).message}`, {
      cause: thrown,
    });
  }
}

/** The window in milliseconds, when all flags go together. */
function checked(flags: StatFlags): number {
  if (flags.to && flags.from) throw new CliError("--to and --from flags are mutually exclusive");
  if (flags.toNamespace && flags.fromNamespace)
    throw new CliError("--to-namespace and --from-namespace flags are mutually exclusive");
  if (flags.allNamespaces && flags.namespace)
    throw new CliError("--all-namespaces and --namespace flags are mutually exclusive");
  if (!["table", "json", "wide"].includes(flags.output))
    throw new CliError("--output currently only supports table, json and wide");
  const { value, error } = parseDuration(flags.timeWindow);
  if (value === undefined) throw new CliError(error ?? "");
  if (value < MIN_WINDOW_MS) throw new CliError("metrics time window needs to be at least 15s");
  return value;
}

function requestOf({ kind, name }: ResourceArgument, namespace: string, flags: StatFlags): StatSummaryRequest {
  const other = (text: string, ns: string | undefined): Resource => {
    const [parsed] = wrapped(() => parseResources([text]));
    return { type: parsed.kind, name: parsed.name, namespace: ns ?? namespace };
  };
  return {
    selector: {
      resource: { type: kind, name, namespace: kind === "namespace" ? "" : namespace },
      labelSelector: flags.selector ?? "",
    },
    timeWindow: flags.timeWindow,
    outbound: flags.to
      ? { $case: "toResource", value: other(flags.to, flags.toNamespace) }
      : flags.from
        ? { $case: "fromResource", value: other(flags.from, flags.fromNamespace) }
        : { $case: "none", value: {} },
    skipStats: false,
    tcpStats: true,
  };
}

async function query(
  client: MetricsClient,
  request: StatSummaryRequest,
  windowMs: number,
  flags: StatFlags,
): Promise<StatRow[]> {
  const { response } = await client.call("StatSummary", StatSummaryRequest, StatSummaryResponse, request);
  if (response?.$case !== "ok")
    throw new CliError(`StatSummary API response error: ${response?.value.error ?? "empty answer"}`);
  return statRows(response.value.statTables, windowMs, flags.unmeshed === true || flags.from !== undefined);
}

function show(rows: readonly StatRow[], flags: StatFlags, context: CliContext): void {
  if (flags.output === "json") {
    context.io.out(`${JSON.stringify(statJson(rows), undefined, 2)}\n`);
    return;
  }
  if (rows.length === 0) {
    context.io.err("No traffic found.\n");
    return;
  }
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const options = { showsNamespace: flags.allNamespaces === true, isWide: flags.output === "wide" };
  const blocks = kinds.map((kind) => {
    const own = rows.filter((row) => row.kind === kind);
    const { header, rows: lines, leftColumns } = statText(kind, own, options, kinds.length > 1);
    return statTable(header, lines, leftColumns);
  });
  context.io.out(blocks.join("\n"));
}

import { PORTS } from "#contracts/ports";
import { GetDestination, Update, type WeightedAddr } from "#proto/destination";
import { CliError } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { leftTable } from "../table.ts";
import { withControlPlane } from "./control-client.ts";

const ANSWER_TIMEOUT_MS = 5_000;
const QUIET_MS = 250; // a first answer may come in parts

interface Row {
  namespace: string;
  ip: string;
  port: number;
  pod: string;
  service: string;
  weight: number;
  http2?: boolean;
  labels: Record<string, string>;
}

/** Prints the endpoints of each authority (`name.namespace.svc.cluster.local:port`). */
export async function endpoints(
  authorities: readonly string[],
  flags: { output: string; destinationPod?: string; token: string },
  context: CliContext,
): Promise<void> {
  if (flags.output !== "table" && flags.output !== "json") {
    throw new CliError(`Cannot print as "${flags.output}": -o must be table or json`);
  }
  const rows = await withControlPlane(context, PORTS.destination, flags.destinationPod, async (client) => {
    const found: Row[] = [];
    for (const authority of authorities) {
      const request = { scheme: "k8s", path: authority, contextToken: flags.token };
      const updates = client.serverStream(
        "/io.linkerd.proxy.destination.Destination/Get",
        GetDestination,
        Update,
        request,
        { timeoutMs: ANSWER_TIMEOUT_MS },
      );
      found.push(...(await firstAnswer(updates, authority, context)));
    }
    return found;
  });
  print(rows, flags.output, context);
}

/** Everything up to the first pause: the stream itself never ends. */
async function firstAnswer(updates: AsyncIterable<Update>, authority: string, context: CliContext): Promise<Row[]> {
  const rows = new Map<string, Row>();
  const reader = updates[Symbol.asyncIterator]();
  let isAnswered = false;
  try {
    for (;;) {
      const next = reader.next();
      next.catch(() => {}); // left behind when the pause comes first
      const step = isAnswered ? await orQuiet(next, context) : await next;
      if (step === undefined || step.done) break;
      isAnswered = true;
      apply(step.value, authority, rows);
    }
  } finally {
    void reader.return?.()?.catch(() => {});
  }
  return [...rows.values()];
}

function orQuiet<T>(next: Promise<T>, { io }: CliContext): Promise<T | undefined> {
  return Promise.race([
    next,
    new Promise<undefined>((resolve) => void io.clock.schedule(QUIET_MS, () => resolve(undefined))),
  ]);
}

function apply({ update }: Update, authority: string, rows: Map<string, Row>): void {
  if (update?.$case === "add") {
    for (const address of update.value.addrs) {
      const row = rowOf(address, update.value.metricLabels, authority);
      rows.set(`${row.ip}:${row.port}`, row);
    }
  } else if (update?.$case === "remove") {
    for (const { ip, port } of update.value.addrs) rows.delete(`${ipText(ip)}:${port}`);
  } else if (update?.$case === "noEndpoints") rows.clear();
}

function rowOf(address: WeightedAddr, shared: Record<string, string>, authority: string): Row {
  const labels = { ...shared, ...address.metricLabels };
  const { namespace = "", pod = "", service = authority } = labels;
  return {
    namespace,
    ip: ipText(address.addr?.ip),
    port: address.addr?.port ?? 0,
    pod,
    service: namespace && labels["service"] ? `${service}.${namespace}` : service,
    weight: address.weight,
    ...(address.protocolHint?.protocol?.$case === "h2" ? { http2: true } : {}),
    labels,
  };
}

type Ip = NonNullable<WeightedAddr["addr"]>["ip"];

function ipText(ip: Ip): string {
  if (ip?.ip?.$case === "ipv4") {
    const value = ip.ip.value;
    return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
  }
  if (ip?.ip?.$case !== "ipv6") return "";
  const { first, last } = ip.ip.value;
  const hex = first.toString(16).padStart(16, "0") + last.toString(16).padStart(16, "0");
  return hex
    .match(/.{4}/g)!
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}

function print(rows: readonly Row[], output: string, { io }: CliContext): void {
  if (output === "json") {
    io.out(`${JSON.stringify(rows, undefined, 2)}\n`);
    return;
  }
  if (rows.length === 0) {
    io.err("No endpoints found.\n");
    return;
  }
  const byNamespace = Map.groupBy(rows, (row) => row.namespace);
  const tables = [...byNamespace.values()].map((own) =>
    leftTable(
      ["NAMESPACE", "IP", "PORT", "POD", "SERVICE"],
      own.map(({ namespace, ip, port, pod, service }) => [namespace, ip, String(port), pod, service]),
    ),
  );
  io.out(tables.join("\n"));
}

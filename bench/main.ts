/**
 * `npm run bench`: the proxy beside its peers, doing the same job in the same run. Runs alternate between subjects, and
 * medians of at least five runs are compared, because machines are noisy: ratios hold, absolute figures do not.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificates } from "./lab/certificates.ts";
import { enterLab, makeHosts } from "./lab/namespaces.ts";
import { type Figures, runOnce, type Scenario, scenarios } from "./scenarios.ts";
import { direct } from "./subjects/direct.ts";
import { haproxy } from "./subjects/haproxy.ts";
import { linkerd } from "./subjects/linkerd.ts";
import { nghttpx } from "./subjects/nghttpx.ts";
import { nginx } from "./subjects/nginx.ts";
import type { Subject } from "./subjects/subject.ts";

const subjects: readonly Subject[] = [linkerd, nginx, haproxy, nghttpx, direct];

interface Row extends Figures {
  readonly name: string;
  readonly subject: string;
  addedP99Us?: number;
}

const options = readOptions(process.argv.slice(2));
const code = await enterLab();
if (code !== undefined) process.exit(code);

const dir = mkdtempSync(join(tmpdir(), "linkerd-ts-bench-"));
try {
  makeHosts();
  writeFileSync(join(dir, "grpc-request"), Buffer.concat([Buffer.from([0, 0, 0, 0, 145]), Buffer.alloc(145, 1)])); // one message of 150 bytes
  const certificates = makeCertificates(join(dir, "certificates"));
  const rows: Row[] = [];
  for (const scenario of scenarios.filter(({ name }) => options.only.length === 0 || options.only.includes(name))) {
    rows.push(...(await measure(scenario, certificates)));
  }
  print(rows);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

async function measure(scenario: Scenario, certificates: ReturnType<typeof makeCertificates>): Promise<Row[]> {
  const able = subjects.filter(({ protocols }) => protocols.includes(scenario.protocol));
  const runs = new Map<string, Figures[]>(able.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const subject of able) {
      process.stderr.write(`\r\x1b[K${scenario.name}: round ${round + 1} of ${options.rounds}, ${subject.name}`);
      runs.get(subject.name)!.push(await runOnce(scenario, subject, options.seconds, dir, certificates));
    }
  }
  process.stderr.write("\r\x1b[K");
  const rows: Row[] = [...runs].map(([subject, figures]) => ({ name: scenario.name, subject, ...medians(figures) }));
  const base = rows.find(({ subject }) => subject === "direct")?.p99Us;
  if (base !== undefined) for (const row of rows) if (row.p99Us !== undefined) row.addedP99Us = row.p99Us - base;
  return rows;
}

function medians(runs: readonly Figures[]): Figures {
  const result: Record<string, number> = {};
  for (const key of new Set(runs.flatMap(Object.keys))) {
    const values = runs.map((run) => run[key as keyof Figures]!).sort((a, b) => a - b);
    result[key] = round(values[Math.floor(values.length / 2)]);
  }
  return result;
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

/** Ours divided by the peer's, of each scenario's main figure: smaller is better. */
function ratios(rows: readonly Row[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const scenario of scenarios) {
    const ours = rows.find(({ name, subject }) => name === scenario.name && subject === "linkerd-ts")?.[scenario.main];
    for (const peer of rows.filter(
      ({ name, subject }) => name === scenario.name && subject !== "linkerd-ts" && subject !== "direct",
    )) {
      const theirs = peer[scenario.main];
      if (ours !== undefined && theirs) found[`${scenario.name}/${peer.subject}`] = Number((ours / theirs).toFixed(3));
    }
  }
  return found;
}

function print(rows: readonly Row[]): void {
  const machine = {
    cpus: cpus().length,
    model: cpus()[0]?.model ?? "unknown",
    secondsPerRun: options.seconds,
    rounds: options.rounds,
  };
  const report = { machine, subjects: subjects.map(({ name }) => name), scenarios: rows, ratios: ratios(rows) };
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else {
    console.table(rows);
    console.table(report.ratios);
  }
}

function readOptions(args: readonly string[]): { json: boolean; only: string[]; seconds: number; rounds: number } {
  const found = { json: false, only: [] as string[], seconds: 4, rounds: 5 };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--json") found.json = true;
    else if (args[i] === "--only") found.only.push(args[++i]);
    else if (args[i] === "--seconds") found.seconds = Number(args[++i]);
    else if (args[i] === "--rounds") found.rounds = Number(args[++i]);
    else throw new Error(`Unknown option "${args[i]}": wanted --json, --only NAME, --seconds N or --rounds N`);
  }
  const unknown = found.only.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0)
    throw new Error(
      `Unknown scenario ${unknown.join(", ")}: wanted one of ${scenarios.map(({ name }) => name).join(", ")}`,
    );
  return found;
}

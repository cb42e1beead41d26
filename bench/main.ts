/**
 * `npm run bench`: the proxy beside its peers, doing the same job in the same run. Runs alternate between subjects, and
 * medians of at least five runs are compared, because machines are noisy: ratios hold, absolute figures do not.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificates } from "./lab/certificates.ts";
import { enterLab, makeHosts } from "./lab/namespaces.ts";
import { readOptions } from "./options.ts";
import { describe, makeReport, medians, type Row } from "./report.ts";
import { scenarios } from "./scenarios/index.ts";
import type { Figures, RunContext, Scenario } from "./scenarios/scenario.ts";
import { direct } from "./subjects/direct.ts";
import { haproxy } from "./subjects/haproxy.ts";
import { linkerd } from "./subjects/linkerd.ts";
import { nghttpx } from "./subjects/nghttpx.ts";
import { nginx } from "./subjects/nginx.ts";
import type { Subject } from "./subjects/subject.ts";

const subjects: readonly Subject[] = [linkerd, nginx, haproxy, nghttpx, direct];
const GRPC_MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 145]), Buffer.alloc(145, 1)]); // 150 bytes on the wire

const names = scenarios.map(({ name }) => name);
const options = readOptions(process.argv.slice(2), names);
const code = await enterLab();
if (code !== undefined) process.exit(code);

const dir = mkdtempSync(join(tmpdir(), "linkerd-ts-bench-"));
try {
  makeHosts();
  writeFileSync(join(dir, "grpc-request"), GRPC_MESSAGE);
  const context: RunContext = {
    seconds: options.seconds,
    dir,
    certificates: makeCertificates(join(dir, "certificates")),
  };
  const rows: Row[] = [];
  const isWanted = ({ name, isOnlyByName }: Scenario): boolean =>
    options.only.length === 0 ? !isOnlyByName : options.only.includes(name);
  for (const scenario of scenarios.filter(isWanted)) {
    rows.push(...(await measure(scenario, context)));
  }
  const subjectNames = subjects.map(({ name }) => name);
  const report = makeReport(rows, scenarios, subjectNames, options);
  process.stdout.write(options.isJson ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
} finally {
  rmSync(dir, { recursive: true, force: true });
}

async function measure(scenario: Scenario, context: RunContext): Promise<Row[]> {
  const able = subjects.filter(({ name }) => scenario.subjects.includes(name));
  const runs = new Map<string, Figures[]>(able.map(({ name }) => [name, []]));
  const rounds = Math.min(options.rounds, scenario.maxRounds ?? options.rounds);
  for (let round = 1; round <= rounds; round++) {
    for (const subject of able) {
      tell(`${scenario.name}: round ${round} of ${rounds}, ${subject.name}`);
      runs.get(subject.name)!.push(await scenario.run(subject, context));
    }
  }
  tell("");
  const rows: Row[] = [...runs].map(([subject, figures]) => ({ name: scenario.name, subject, ...medians(figures) }));
  const base = rows.find(({ subject }) => subject === "direct")?.p99Us;
  if (base !== undefined) for (const row of rows) if (row.p99Us !== undefined) row.addedP99Us = row.p99Us - base;
  return rows;
}

/** One line that replaces itself, for people at a terminal. */
function tell(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== "") process.stderr.write(`${text}\n`);
}

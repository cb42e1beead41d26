import { APPLICATION_PORT, startApplication } from "../application.ts";
import type { Certificates } from "../lab/certificates.ts";
import { memoryOf } from "../lab/processes.ts";
import { prove } from "../proof.ts";
import type { LabPaths, Protocol, RunningSubject, Subject, SubjectName } from "../subjects/subject.ts";

/** One measured run of one subject; fields that a scenario does not measure are left out. */
export interface Figures {
  cpuUsPerRequest?: number;
  cpuSPerGb?: number;
  rps?: number;
  p50Us?: number;
  p99Us?: number;
  p999Us?: number;
  rssAnonKb?: number;
  pssKb?: number;
  rssKb?: number;
  ms?: number;
  perCpuSecond?: number;
  /** `startup`: from exec to the first listening socket. */
  listeningMs?: number;
  /** `memory-idle`: RssAnon when the load was over and what it needed was given back, or after a minute. */
  rssAnonAfterKb?: number;
  /** `control-plane`: the most RssAnon while destination starts. */
  rssAnonPeakKb?: number;
}

/** What one run is given. */
export interface RunContext {
  /** Length of the measured part. */
  readonly seconds: number;
  /** Scratch folder of the whole benchmark. */
  readonly dir: string;
  readonly certificates: Certificates;
}

export interface Scenario {
  readonly name: string;
  /** The figure that ratios are made of; smaller is better. */
  readonly main: keyof Figures;
  readonly subjects: readonly SubjectName[];
  /** No more rounds than this: for figures that hardly vary between runs, or take long. */
  readonly maxRounds?: number;
  /** Takes so long that only who names it gets it. */
  readonly isOnlyByName?: boolean;
  run(subject: Subject, context: RunContext): Promise<Figures>;
}

/** A run in front of the application: both started, the chain proved to be what it claims, measured, all stopped. */
export function throughChain(
  protocol: Protocol,
  measure: (running: RunningSubject, context: RunContext, paths: LabPaths) => Promise<Figures>,
): Scenario["run"] {
  return async (subject, context) => {
    const { dir, certificates } = context;
    const paths: LabPaths = { dir, certificates, applicationPort: APPLICATION_PORT };
    const application = await startApplication(protocol, dir);
    let running: RunningSubject | undefined;
    try {
      running = await subject.start(protocol, paths);
      await prove(subject, running, protocol, paths);
      return await measure(running, context, paths);
    } finally {
      await running?.stop();
      await application.stop();
    }
  };
}

/** Memory of the larger of the two hops: the figure for "a proxy". */
export function worstHop(running: RunningSubject): Figures {
  const each = running.hops().map(memoryOf);
  return each.reduce((worst, one) => (one.rssAnonKb > worst.rssAnonKb ? one : worst));
}

import { PORTS } from "#contracts/ports";
import type { Log } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import { COMMON_FLAGS, type Program, runProgram, type Started } from "#lib/program";
import { addressFlag, textFlag } from "#lib/program-flags";
import { startAdminServer } from "#net/admin-server";
import { type AdmissionAnswer, type AdmissionRequest, ALLOWED } from "../serve/admission.ts";
import { WebhookServer } from "../serve/webhook-server.ts";
import { validateProfile } from "./validate-profile.ts";

const FLAGS = {
  ...COMMON_FLAGS,
  addr: addressFlag(`:${PORTS.webhook}`),
  "metrics-addr": addressFlag(`:${PORTS.spValidatorAdmin}`),
  "tls-dir": textFlag("/var/run/linkerd/tls"),
};

interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface SpValidatorOptions {
  readonly listen: Listen;
  readonly admin: Listen;
  readonly tlsDirectory: string;
  readonly log: Log;
}

/** `linkerd controller sp-validator`: refuses ServiceProfiles that proxies could not follow. */
export const run: Program = (args) =>
  runProgram("sp-validator", args, FLAGS, (flags, log) =>
    startSpValidator({
      listen: flags.addr,
      admin: flags["metrics-addr"],
      tlsDirectory: flags["tls-dir"],
      log,
    }),
  );

/** Starts both servers and returns the ports they bound. It needs nothing of the cluster, so it is ready at once. */
export async function startSpValidator(
  options: SpValidatorOptions,
): Promise<Started & { readonly port: number; readonly adminPort: number }> {
  const { listen, tlsDirectory, log } = options;
  const webhook = await WebhookServer.start({
    hostname: listen.host,
    port: listen.port,
    certPath: `${tlsDirectory}/tls.crt`,
    keyPath: `${tlsDirectory}/tls.key`,
    review: reviewProfile,
    log,
  });
  const admin = await startAdminServer({ ...options.admin, pending: () => [], metrics: new MetricsRegistry() });
  const stop = async (): Promise<void> => {
    await webhook.close();
    await admin.close();
  };
  return { port: webhook.port, adminPort: admin.port, stop };
}

/** Names every problem at once, so that one more `apply` suffices. */
export function reviewProfile({ object }: AdmissionRequest): AdmissionAnswer {
  if (!object) return ALLOWED; // a deletion
  const problems = validateProfile(object);
  if (problems.length === 0) return ALLOWED;
  return { isAllowed: false, code: 400, message: `ServiceProfile is invalid: ${problems.join("; ")}` };
}

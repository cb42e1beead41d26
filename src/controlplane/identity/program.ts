import { ApiError, type KubeClient, SELF_SUBJECT_ACCESS_REVIEWS } from "#kube";
import { Backoff } from "#lib/backoff";
import { type Clock, systemClock } from "#lib/clock";
import type { Log } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import type { Started } from "#lib/program";
import { systemRandom } from "#lib/random";
import { Readiness } from "#lib/readiness";
import { startAdminServer } from "#net/admin-server";
import { GrpcServer, unary } from "#net/grpc-server";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import { Certifier } from "./certifier.ts";
import { type TrustDomain, trustDomainError } from "./core.ts";
import { IdentityEvents } from "./events.ts";
import { TokenReviewer } from "./token-reviewer.ts";
import { type Reload, type TrustFiles, TrustStore } from "./trust-material.ts";

export interface IdentityConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  readonly domain: TrustDomain;
  readonly lifetimeMs: number;
  readonly skewMs: number;
  readonly files: TrustFiles;
}

export interface IdentityProgram extends Started {
  readonly port: number;
  readonly adminPort: number;
  readonly metrics: MetricsRegistry;
  /** Looks at the files now instead of at the next turn. */
  checkFiles(): Promise<void>;
}

export interface IdentityDeps {
  readonly client: KubeClient;
  readonly log: Log;
  readonly clock?: Clock;
}

const CERTIFY = "/io.linkerd.proxy.identity.Identity/Certify";
const DRAIN_MS = 5_000; // unary calls take milliseconds

/** Builds identity, checks its rights and its files, and listens. Throws when it could not do its work. */
export async function startIdentity(
  config: IdentityConfig,
  { client, log, clock = systemClock }: IdentityDeps,
): Promise<IdentityProgram> {
  const unfit = trustDomainError(config.domain.trustDomain);
  if (unfit) throw new Error(unfit);
  const metrics = new MetricsRegistry();
  const events = new IdentityEvents(client, clock, log);
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: "linkerd-identity",
    namespace: config.domain.controlPlaneNs,
  };
  const store = new TrustStore(config.files, clock, (reload) =>
    tellReload(reload, log, (type, reason, message) => events.record(deployment, type, reason, message)),
  );
  const reviewer = new TokenReviewer(client);
  const certifier = new Certifier({
    domain: config.domain,
    lifetimeMs: config.lifetimeMs,
    skewMs: config.skewMs,
    clock,
    material: () => store.material,
    usernameOf: (token) => reviewer.usernameOf(token),
    onIssued: ({ name, namespace }, identity, notAfterMs) => {
      const message = `issued certificate for ${identity} until ${new Date(notAfterMs).toISOString()}`;
      log.debug(message);
      events.record(
        { apiVersion: "v1", kind: "ServiceAccount", name, namespace },
        "Normal",
        "IssuedLeafCertificate",
        message,
      );
    },
    onInvalidIssuer: (error) => {
      log.error("The issuer cannot sign", { error });
      events.record(deployment, "Warning", "IssuerValidationFailed", error);
    },
  });
  await patiently(clock, log, () => checkRights(client));
  await store.start();
  exportExpiry(metrics, store, clock);
  const server = new GrpcServer({
    methods: [unary(CERTIFY, CertifyRequest, CertifyResponse, (request) => certifier.certify(request))],
    log,
    metrics,
    clock,
  });
  const port = await server.listen(config.listen);
  const readiness = new Readiness(log);
  const admin = await startAdminServer({ ...config.admin, pending: () => readiness.pending(), metrics });
  log.info("Serving certificates", {
    port,
    adminPort: admin.port,
    issuer: store.material?.authority.certificate.subject,
  });
  const stop = async () => {
    store.stop();
    await server.drain(DRAIN_MS);
    await admin.close();
  };
  return { port, adminPort: admin.port, metrics, checkFiles: () => store.check(), stop };
}

function tellReload(
  reload: Reload,
  log: Log,
  record: (type: "Normal" | "Warning", reason: string, message: string) => void,
): void {
  if (reload.outcome === "refused") {
    log.error("Keeping the last good issuer and roots", { error: reload.error });
    record("Warning", "IssuerUpdateSkipped", `Keeping the last good issuer and trust roots: ${reload.error}`);
    return;
  }
  const { authority, roots, notAfterMs } = reload.material;
  const message = `Using issuer ${authority.certificate.fingerprint.slice(0, 16)} with ${roots.length} trust root(s) until ${new Date(notAfterMs).toISOString()}`;
  log.info(message);
  record("Normal", "IssuerUpdated", message);
}

const START_TRIES = 10;
const START_BACKOFF = { minMs: 100, maxMs: 3_000, jitter: 0.5 };

/** Tries again while the API server cannot be reached: at start the pod's network may come up a moment later. */
async function patiently(clock: Clock, log: Log, run: () => Promise<void>): Promise<void> {
  const backoff = new Backoff(START_BACKOFF, systemRandom);
  for (let triesLeft = START_TRIES - 1; ; triesLeft--) {
    try {
      return await run();
    } catch (error) {
      const isAway = error instanceof ApiError && (error.status === 0 || error.status === 503);
      if (!isAway || triesLeft === 0) throw error;
      log.warn("Waiting for the API server", { error: error.message, triesLeft });
      await new Promise<void>((resolve) => clock.schedule(backoff.nextMs(), resolve));
    }
  }
}

async function checkRights(client: KubeClient): Promise<void> {
  const resourceAttributes = { group: "authentication.k8s.io", resource: "tokenreviews", verb: "create" };
  const review = await client.create(SELF_SUBJECT_ACCESS_REVIEWS, {
    metadata: { name: "" },
    spec: { resourceAttributes },
  });
  if (review.status?.allowed) return;
  throw new Error("Identity may not create tokenreviews: bind its ServiceAccount to the role that allows it");
}

function exportExpiry(metrics: MetricsRegistry, store: TrustStore, clock: Clock): void {
  const ttl = metrics
    .gauge("issuer_cert_ttl_seconds", "Seconds until the issuer's certificate chain expires.")
    .series();
  metrics.onRender(() => ttl.set(((store.material?.notAfterMs ?? 0) - clock.wallMs()) / 1000));
}

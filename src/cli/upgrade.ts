import type { KubeClient, Pod } from "#kube";
import { crdObjects, defaultValues, haValues, requiredCrdNames, type Values } from "#manifests/install";
import { parseCertificates } from "#x509";
import { CliError } from "./cli-error.ts";
import type { CliContext } from "./context.ts";
import { issuerProblem, validateIssuer } from "./credentials.ts";
import { readInput, readText } from "./inputs.ts";
import type { InstallFlags } from "./install-flags.ts";
import { gatewayApiState, missingDefinitions } from "./installed.ts";
import { manifestFormat, printManifests } from "./manifest-output.ts";
import { meshedPods, proxyContainerOf } from "./pods.ts";
import { flagOverrides, renderControlPlane } from "./render.ts";
import { sign } from "./signs.ts";
import { overridesInManifest, overridesOnCluster } from "./stored-overrides.ts";
import { unknownValues } from "./unknown-values.ts";
import { validateValues } from "./validate-values.ts";
import { readValuesFlags } from "./values-flags.ts";
import { layered } from "./values-layers.ts";

export interface UpgradeFlags extends InstallFlags {
  fromManifests?: string;
  force?: boolean;
}

/** Prints this version's manifest with what install remembered, and the flags over it. */
export async function upgrade(flags: UpgradeFlags, context: CliContext): Promise<void> {
  const format = manifestFormat(flags.output);
  const client = flags.fromManifests ? undefined : await context.client();
  if (flags.crds) {
    const gatewayApi = client ? (await gatewayApiState(client)) === "ours" : false;
    context.io.out(printManifests(crdObjects({ namespace: context.linkerdNamespace, gatewayApi }), format));
    return;
  }
  if (client) await requireDefinitions(client);
  const values = await upgradedValues(flags, context, client);
  if (client && !flags.force) await requireTrustedIssuer(values, client, context);
  warnOfRotation(flags, context);
  context.io.out(printManifests(await renderControlPlane(values, context), format));
}

async function requireDefinitions(client: KubeClient): Promise<void> {
  const missing = await missingDefinitions(client, requiredCrdNames());
  if (missing.length === 0) return;
  throw new CliError(
    `Linkerd CRDs must be upgraded first. Run linkerd upgrade with the --crds flag:\n\n  linkerd upgrade --crds | kubectl apply -f -\n\nMissing: ${missing.join(", ")}`,
  );
}

async function upgradedValues(
  flags: UpgradeFlags,
  context: CliContext,
  client: KubeClient | undefined,
): Promise<Values> {
  const stored = client
    ? await overridesOnCluster(client, context.linkerdNamespace)
    : await manifestOverrides(flags.fromManifests!, context);
  const { linkerdVersion: _older, ...kept } = stored; // the version is this executable's, whatever was stored
  const base = layered(defaultValues(flags.ha ? haValues() : {}), kept);
  const registry = context.io.env("LINKERD_DOCKER_REGISTRY");
  const flagged = layered(layered(base, flagOverrides(flags, base, registry)), credentialFiles(flags, base));
  const overrides = await readValuesFlags(flags, context.io);
  for (const warning of unknownValues(overrides)) context.io.err(`${sign(context.io, "warning")} ${warning}\n`);
  const values = layered(flagged, overrides);
  validateValues(values);
  await validateIssuer(values, context.io.clock.wallMs());
  return values;
}

async function manifestOverrides(name: string, { io }: CliContext) {
  const inputs = await readInput(name, io);
  return overridesInManifest(inputs.map(({ text }) => text).join("\n---\n"), name);
}

/** Any part may be replaced alone; what was stored stands in for the rest. */
function credentialFiles(flags: UpgradeFlags, base: Values): Parameters<typeof layered>[1] {
  const { identityIssuerCertificateFile: crt, identityIssuerKeyFile: key, identityTrustAnchorsFile: anchors } = flags;
  if ((crt || key) && base.identity.issuer.scheme === "kubernetes.io/tls") {
    throw new CliError(
      "--identity-issuer-certificate-file and --identity-issuer-key-file cannot be used with an external issuer: renew its Secret instead",
    );
  }
  const tls = { ...(crt ? { crtPEM: readText(crt) } : {}), ...(key ? { keyPEM: readText(key) } : {}) };
  return { identity: { issuer: { tls } }, ...(anchors ? { identityTrustAnchorsPEM: readText(anchors) } : {}) };
}

/** A proxy that does not trust the new issuer would lose its peers when they renew their certificates. */
async function requireTrustedIssuer(values: Values, client: KubeClient, context: CliContext): Promise<void> {
  if (values.identity.issuer.scheme !== "linkerd.io/tls") return;
  const chain = parseCertificates(values.identity.issuer.tls.crtPEM);
  const nowMs = context.io.clock.wallMs();
  const distrusting = (await meshedPods(client, context.linkerdNamespace)).filter((pod) => {
    const anchors = ownAnchors(pod);
    if (pod.metadata.namespace === context.linkerdNamespace || anchors === undefined) return false;
    return issuerProblem(chain, parseCertificates(anchors), undefined, nowMs) !== undefined;
  });
  if (distrusting.length === 0) return;
  const names = distrusting.map(({ metadata }) => `\t* ${metadata.namespace}/${metadata.name}`);
  throw new CliError(
    `You are attempting to use an issuer certificate which does not validate against the trust anchors of the following pods:\n${names.join("\n")}\nThese pods do not have the current trust bundle and must be restarted. Use the --force flag to proceed anyway.`,
  );
}

function ownAnchors(pod: Pod): string | undefined {
  return proxyContainerOf(pod)?.env?.find(({ name }) => name === "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS")?.value;
}

function warnOfRotation({ identityTrustAnchorsFile }: UpgradeFlags, { io }: CliContext): void {
  if (!identityTrustAnchorsFile) return;
  io.err(
    `${sign(io, "warning")} Rotating the trust anchors breaks connections unless old and new are trusted together for a while: give a file with both, restart the meshed pods, then drop the old one.\n`,
  );
}

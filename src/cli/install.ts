import { type KubeClient, NODES, SECRETS, SERVICES } from "#kube";
import {
  CONFIG_MAP,
  crdObjects,
  type DeepPartial,
  defaultValues,
  haValues,
  ISSUER_SECRET,
  requiredCrdNames,
  type Values,
} from "#manifests/install";
import { CliError } from "./cli-error.ts";
import type { CliContext } from "./context.ts";
import { identityCredentials, validateIssuer } from "./credentials.ts";
import type { InstallFlags } from "./install-flags.ts";
import { gatewayApiState, missingDefinitions, storedValues, unreachable } from "./installed.ts";
import { manifestFormat, printManifests } from "./manifest-output.ts";
import { flagOverrides, renderControlPlane } from "./render.ts";
import { sign } from "./signs.ts";
import { unknownValues } from "./unknown-values.ts";
import { validateValues } from "./validate-values.ts";
import { readValuesFlags } from "./values-flags.ts";
import { layered } from "./values-layers.ts";

/** Prints the definitions or the control plane, as the flags say. */
export async function install(flags: InstallFlags, context: CliContext): Promise<void> {
  const format = manifestFormat(flags.output);
  const overrides = await readValuesFlags(flags, context.io);
  for (const warning of unknownValues(overrides)) context.io.err(`${sign(context.io, "warning")} ${warning}\n`);
  const client = flags.ignoreCluster ? undefined : await reachableCluster(context);
  if (flags.crds) {
    await printDefinitions(overrides, client, context, format);
    return;
  }
  if (client) await checkPrerequisites(client, context.linkerdNamespace);
  const base = await flagValues(flags, overrides, context, client);
  const values = await withIdentity(base, flags, context, client);
  context.io.out(printManifests(await renderControlPlane(values, context), format));
}

async function reachableCluster(context: CliContext): Promise<KubeClient> {
  const doing = "Unable to install the Linkerd control plane. Cannot connect to the Kubernetes cluster";
  try {
    const client = await context.client();
    await client.raw("/version");
    return client;
  } catch (failure) {
    const { message } = unreachable(doing, failure);
    throw new CliError(`${message}\nYou can use the --ignore-cluster flag if you just want to generate the manifest.`);
  }
}

async function checkPrerequisites(client: KubeClient, namespace: string): Promise<void> {
  const missing = await missingDefinitions(client, requiredCrdNames());
  if (missing.length > 0) {
    throw new CliError(
      `Linkerd CRDs must be installed first. Run linkerd install with the --crds flag:\n\n  linkerd install --crds | kubectl apply -f -\n\nMissing: ${missing.join(", ")}`,
    );
  }
  await refuseSecondInstall(client, namespace);
}

async function refuseSecondInstall(client: KubeClient, namespace: string): Promise<void> {
  if (!(await storedValues(client, namespace))) return;
  throw new CliError(
    `Unable to install the Linkerd control plane in the ${namespace} namespace: ConfigMap/${CONFIG_MAP} already exists.\nTo change or renew it: linkerd upgrade | kubectl apply -f -\nFor a fresh install, remove it first: linkerd uninstall | kubectl delete -f -`,
  );
}

async function printDefinitions(
  overrides: Record<string, unknown>,
  client: KubeClient | undefined,
  context: CliContext,
  format: "yaml" | "json",
): Promise<void> {
  if (client) await refuseSecondInstall(client, context.linkerdNamespace);
  const gatewayApi = await wantsGatewayApi(overrides, client);
  context.io.out(printManifests(crdObjects({ namespace: context.linkerdNamespace, gatewayApi }), format));
  context.io.err(
    "Rendering Linkerd CRDs...\nNext, run `linkerd install | kubectl apply -f -` to install the control plane.\n\n",
  );
}

/** Whether the Gateway API's kinds are ours to install: never over someone else's, never left out when nobody has them. */
async function wantsGatewayApi(overrides: Record<string, unknown>, client: KubeClient | undefined): Promise<boolean> {
  const asked = overrides["enableHttpRoutes"] ?? overrides["installGatewayAPI"];
  if (!client) return asked === true;
  const state = await gatewayApiState(client);
  if (state === "absent" && asked !== true) {
    throw new CliError(
      "The Gateway API CRDs must be installed prior to installing Linkerd. Either install them with:\n\n  kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.5.1/standard-install.yaml\n\nor let Linkerd bring them:\n\n  linkerd install --crds --set installGatewayAPI=true | kubectl apply -f -",
    );
  }
  if (state === "foreign" && asked === true) {
    throw new CliError("The Gateway API CRDs are already installed by someone else: leave installGatewayAPI unset");
  }
  if (state === "ours" && asked === false) {
    throw new CliError("The Gateway API CRDs on this cluster are Linkerd's: installGatewayAPI=false would remove them");
  }
  return state === "ours" || asked === true;
}

/** Chart defaults, then high availability, then the typed flags, then `--set` and values files. */
async function flagValues(
  flags: InstallFlags,
  overrides: Record<string, unknown>,
  context: CliContext,
  client: KubeClient | undefined,
): Promise<Values> {
  const base = defaultValues(flags.ha ? haValues() : {});
  const ports = client ? await apiServerPorts(client) : undefined;
  const layers: DeepPartial<Values>[] = [
    ports ? { proxyInit: { kubeAPIServerPorts: ports } } : {},
    flagOverrides(flags, base, context.io.env("LINKERD_DOCKER_REGISTRY")),
    overrides as DeepPartial<Values>,
  ];
  const values = layers.reduce<Values>(layered, base);
  validateValues(values);
  if (client) await refuseDockerNodes(client, values);
  return values;
}

/** The ports behind which the API server is found, so that the control plane's own pods reach it past their proxies. */
async function apiServerPorts(client: KubeClient): Promise<string | undefined> {
  const service = await client.get(SERVICES, "kubernetes", "default");
  const ports = new Set<number>();
  for (const { port, targetPort } of service?.spec?.ports ?? []) {
    ports.add(port);
    if (typeof targetPort === "number") ports.add(targetPort);
  }
  return ports.size > 0 ? [...ports].join(",") : undefined;
}

async function refuseDockerNodes(client: KubeClient, values: Values): Promise<void> {
  if (values.proxyInit.runAsRoot || values.cniEnabled) return;
  const { items } = await client.list(NODES);
  const docker = items.filter((node) => node.status?.nodeInfo?.containerRuntimeVersion?.startsWith("docker:"));
  if (docker.length === 0) return;
  const names = docker.map((node) => node.metadata.name).join(", ");
  throw new CliError(
    `there are nodes using the docker container runtime and proxy-init container must run as root user: ${names}\ntry installing linkerd via --set proxyInit.runAsRoot=true`,
  );
}

/** The values with trust anchors and issuer, read or made, and checked against each other. */
async function withIdentity(
  values: Values,
  flags: InstallFlags,
  context: CliContext,
  client: KubeClient | undefined,
): Promise<Values> {
  const nowMs = context.io.clock.wallMs();
  const files = {
    trustAnchorsFile: flags.identityTrustAnchorsFile,
    certificateFile: flags.identityIssuerCertificateFile,
    keyFile: flags.identityIssuerKeyFile,
  };
  const complete = layered(values, await identityCredentials(values, files, context.linkerdNamespace, nowMs));
  await validateIssuer(complete, nowMs);
  const isExternal = complete.identity.issuer.scheme === "kubernetes.io/tls";
  if (!isExternal || complete.identityTrustAnchorsPEM || complete.identity.externalCA) return complete;
  return layered(complete, { identityTrustAnchorsPEM: await externalRoot(client, context.linkerdNamespace) });
}

/** The root that comes with an issuer made by someone else. */
async function externalRoot(client: KubeClient | undefined, namespace: string): Promise<string> {
  if (!client) {
    throw new CliError(
      "--ignore-cluster is not supported when --identity-external-issuer=true without --identity-trust-anchors-file or --identity-external-ca",
    );
  }
  const root = (await client.get(SECRETS, ISSUER_SECRET, namespace))?.data?.["ca.crt"];
  if (!root)
    throw new CliError(
      `Cannot read the external issuer: Secret ${namespace}/${ISSUER_SECRET} is missing or has no key ca.crt`,
    );
  return Buffer.from(root, "base64").toString("utf8");
}

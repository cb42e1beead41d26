import type { Command } from "commander";
import jsonPatch from "fast-json-patch";
import { ANNOTATIONS, LABELS } from "#contracts/labels";
import { VERSION } from "#contracts/version";
import { CONFIG_MAPS } from "#kube";
import {
  ALPHA_WAIT_BEFORE_EXIT,
  configAnnotation,
  type InjectReport,
  injectPatch,
  type Manifest,
  readWorkload,
  reportOn,
  uninject,
  type Workload,
} from "#manifests/inject";
import { defaultValues, TRUST_ROOTS_CONFIG_MAP, type Values } from "#manifests/install";
import { CliError, messageOf } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { withoutEmptied } from "../emptied.ts";
import { overrideAnnotations } from "../inject-annotations.ts";
import { printInjectReport, reasonsInWords, type Transformed } from "../inject-report.ts";
import { readText } from "../inputs.ts";
import { storedValues, unreachable } from "../installed.ts";
import { manifestFormat } from "../manifest-output.ts";
import { addProxyFlags, type ProxyFlags, portList, proxyOverrides, wholeNumber } from "../proxy-flags.ts";
import { transformInputs } from "../transform.ts";
import { layered } from "../values-layers.ts";

export interface InjectFlags extends ProxyFlags {
  manual?: boolean;
  ignoreCluster?: boolean;
  enableDebugSidecar?: boolean;
  closeWaitTimeout?: string;
  output: string;
  nativeSidecar?: boolean;
  waitBeforeExitSeconds?: number;
  requireIdentityOnInboundPorts?: string[];
  ingress?: boolean;
  opaquePorts?: string[];
  identityTrustAnchorsFile?: string;
}

/** `linkerd inject`. */
export function define(command: Command, context: CliContext): void {
  command
    .option("--manual", "write the proxy's containers into the manifest instead of asking the injector for them")
    .option("--ignore-cluster", "use the default configuration instead of the cluster's")
    .option("--enable-debug-sidecar", "add the debug container too")
    .option("--close-wait-timeout <duration>", "nf_conntrack_tcp_timeout_close_wait for the pods' network")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .option("--native-sidecar", "run the proxy as a native sidecar")
    .option("--wait-before-exit-seconds <seconds>", "how long the proxy outlives the signal to stop", wholeNumber)
    .option("--require-identity-on-inbound-ports <ports>", "inbound ports that take meshed clients only", portList)
    .option("--ingress", "run the proxy in ingress mode")
    .option("--identity-trust-anchors-file <path>", "trust roots for --manual --ignore-cluster")
    .option("--opaque-ports <ports>", "ports whose protocol is not looked at", portList);
  addProxyFlags(command);
  command
    .addHelpText(
      "before",
      `Examples:
  kubectl get deploy -o yaml | linkerd inject - | kubectl apply -f -
  linkerd inject https://url.to/yml | kubectl apply -f -
  linkerd inject ./manifests > meshed.yaml       # every manifest under a directory
  linkerd inject --manual deployment.yaml        # with the containers written out
`,
    )
    .action((names: string[], flags: InjectFlags) => inject(names, flags, context));
}

async function inject(names: string[], flags: InjectFlags, context: CliContext): Promise<void> {
  const format = manifestFormat(flags.output);
  if (names.length === 0) throw new CliError("please specify a kubernetes resource file");
  const base = flags.ignoreCluster ? givenValues(flags) : await clusterValues(context);
  const registry = context.io.env("LINKERD_DOCKER_REGISTRY");
  const values = layered(layered(base, proxyOverrides(flags, base, registry)), injectOverrides(flags));
  const injector = new Injector(flags, base, values, context);
  await transformInputs(names, (object) => injector.change(object), format, context);
  printInjectReport(injector.done, context.io, context.globals.verbose);
}

/** The defaults; proxies that are written out cannot run without trust roots, which then only the person can give. */
function givenValues({ manual, identityTrustAnchorsFile }: InjectFlags): Values {
  if (identityTrustAnchorsFile) return defaultValues({ identityTrustAnchorsPEM: readText(identityTrustAnchorsFile) });
  if (!manual) return defaultValues();
  throw new CliError(
    "Cannot inject with --manual --ignore-cluster without the mesh's trust roots: add --identity-trust-anchors-file, or leave out --ignore-cluster",
  );
}

async function clusterValues(context: CliContext): Promise<Values> {
  const hint = "Validate the install with: linkerd check\nUse --ignore-cluster to go by the default configuration.";
  const namespace = context.linkerdNamespace;
  try {
    const client = await context.client();
    const values = await storedValues(client, namespace);
    if (!values)
      throw new CliError(`Cannot find Linkerd: ConfigMap linkerd-config is not in the namespace ${namespace}`);
    const roots = await client.get(CONFIG_MAPS, TRUST_ROOTS_CONFIG_MAP, namespace);
    return layered(values, {
      identityTrustAnchorsPEM: roots?.data?.["ca-bundle.crt"] ?? values.identityTrustAnchorsPEM,
    });
  } catch (failure) {
    if (failure instanceof CliError) throw new CliError(`${failure.message}\n${hint}`);
    throw new CliError(`${unreachable("Cannot connect to Kubernetes", failure).message}\n${hint}`);
  }
}

function injectOverrides(flags: InjectFlags): Parameters<typeof layered>[1] {
  const set = <T>(key: string, value: T | undefined) => (value === undefined ? {} : { [key]: value });
  return {
    proxy: {
      ...set("requireIdentityOnInboundPorts", flags.requireIdentityOnInboundPorts?.join(",")),
      ...set("opaquePorts", flags.opaquePorts?.join(",")),
      ...set("nativeSidecar", flags.nativeSidecar),
      ...set("waitBeforeExitSeconds", flags.waitBeforeExitSeconds),
    },
  };
}

/** Changes objects one by one and remembers what it did to each. */
class Injector {
  readonly done: Transformed[] = [];
  readonly #flags: InjectFlags;
  readonly #base: Values;
  readonly #values: Values;
  readonly #context: CliContext;

  constructor(flags: InjectFlags, base: Values, values: Values, context: CliContext) {
    this.#flags = flags;
    this.#base = base;
    this.#values = values;
    this.#context = context;
  }

  change(original: Manifest): Manifest {
    const isOwn = isControlPlane(original);
    if (isOwn && !this.#flags.manual) {
      throw failed(
        `${original.kind?.toLowerCase()}/${original.metadata?.name}`,
        "--manual must be set when injecting control plane components",
      );
    }
    const object = withoutEmptied(uninject(original).object, original); // an older proxy of ours goes first
    const report = reportOn(object, this.#values.identity.serviceAccountTokenProjection);
    const workload = readWorkload(object);
    if (report.outcome === "skipped" || !workload) return this.#skip(object, original, report);
    if (report.outcome === "annotatable") return this.#annotate(object, workload, report);
    this.done.push({ report, did: "injected" });
    const annotated = withAnnotations(object, workload, this.#podAnnotations());
    return this.#flags.manual ? this.#withContainers(annotated) : annotated;
  }

  #skip(object: Manifest, original: Manifest, report: InjectReport): Manifest {
    const harmless = report.reasons.every((reason) =>
      ["unsupported_resource", "inject_disabled", "udp_ports_enabled"].includes(reason),
    );
    if (!harmless) throw failed(`${report.kind}/${report.name}`, reasonsInWords(report));
    this.done.push({ report, did: "skipped" });
    return report.reasons.includes("unsupported_resource") ? original : object;
  }

  /** A Namespace asks for all its pods; a Service only ever says which of its ports are opaque. */
  #annotate(object: Manifest, workload: Workload, report: InjectReport): Manifest {
    const overrides = overrideAnnotations(this.#base, this.#values);
    const opaque = overrides[ANNOTATIONS.opaquePorts];
    const wanted: Record<string, string> | undefined =
      report.kind === "namespace"
        ? { [ANNOTATIONS.inject]: "enabled", ...this.#podAnnotations() }
        : opaque === undefined
          ? undefined
          : { [ANNOTATIONS.opaquePorts]: opaque };
    this.done.push({ report, did: wanted ? "annotated" : "skipped" });
    return wanted ? withAnnotations(object, workload, wanted) : object;
  }

  #podAnnotations(): Record<string, string> {
    const { enableDebugSidecar, closeWaitTimeout, ingress, manual, waitBeforeExitSeconds } = this.#flags;
    return {
      ...overrideAnnotations(this.#base, this.#values),
      ...(waitBeforeExitSeconds ? { [ALPHA_WAIT_BEFORE_EXIT]: String(waitBeforeExitSeconds) } : {}),
      ...(enableDebugSidecar ? { [configAnnotation("enable-debug-sidecar")]: "true" } : {}),
      ...(closeWaitTimeout ? { [configAnnotation("close-wait-timeout")]: closeWaitTimeout } : {}),
      ...(ingress ? { [ANNOTATIONS.inject]: "ingress" } : manual ? {} : { [ANNOTATIONS.inject]: "enabled" }),
    };
  }

  #withContainers(object: Manifest): Manifest {
    const workload = readWorkload(object);
    if (!workload) return object;
    try {
      const { patch, warnings } = injectPatch({
        workload,
        values: this.#base,
        controlPlaneNs: this.#context.linkerdNamespace,
        namespace: workload.namespace || "default",
        namespaceAnnotations: {},
        owner: { kind: workload.kind, name: workload.name },
        createdBy: `linkerd/cli ${VERSION}`,
      });
      for (const warning of warnings) this.#context.io.err(`${warning}\n`);
      return jsonPatch.applyPatch(structuredClone(object), patch as never).newDocument;
    } catch (failure) {
      throw failed(`${workload.kind}/${workload.name}`, messageOf(failure));
    }
  }
}

function failed(name: string, why: string): CliError {
  return new CliError(`transforming resources:\nfailed to inject ${name}: ${why}`);
}

function isControlPlane(object: Manifest): boolean {
  return readWorkload(object)?.template?.metadata.labels?.[LABELS.controlPlaneComponent] !== undefined;
}

/** A copy with annotations on the pod template, or on the object itself where there is none. */
function withAnnotations(object: Manifest, workload: Workload, annotations: Record<string, string>): Manifest {
  if (Object.keys(annotations).length === 0) return object;
  const copy = structuredClone(object) as Record<string, unknown>;
  let holder = copy;
  for (const key of (workload.template?.pathPrefix ?? "").split("/").slice(1)) {
    holder = holder[key] as Record<string, unknown>;
  }
  const metadata = (holder["metadata"] ?? {}) as { annotations?: Record<string, string> };
  holder["metadata"] = { ...metadata, annotations: { ...metadata.annotations, ...annotations } };
  return copy as Manifest;
}

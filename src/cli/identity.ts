import { type KubeClient, PODS, type Pod } from "#kube";
import { peerCertificates } from "#net/peer-certificate";
import { type Certificate, parseCertificate } from "#x509";
import { certificateText } from "./certificate-text.ts";
import { CliError, messageOf } from "./cli-error.ts";
import type { CliContext } from "./context.ts";
import { withForward } from "./forward.ts";
import { proxyContainerOf } from "./pods.ts";

export interface IdentityFlags {
  namespace?: string;
  selector?: string;
}

/** Prints the certificate of each pod's proxy, as it shows it now. */
export async function identity(names: string[], flags: IdentityFlags, context: CliContext): Promise<void> {
  if (names.length === 0 && !flags.selector)
    throw new CliError("Provide the pod name argument or use the selector flag");
  const client = await context.client();
  const namespace = flags.namespace ?? client.cluster.namespace;
  const pods = (await findPods(client, namespace, names, flags.selector)).filter((pod) => proxyContainerOf(pod));
  const { io } = context;
  if (pods.length === 0) {
    io.out("Could not fetch Certificate. Ensure that the pod(s) are meshed by running `linkerd inject`\n");
    return;
  }
  for (const [index, pod] of pods.entries()) {
    io.out(`\nPOD ${pod.metadata.name} (${index + 1} of ${pods.length})\n\n`);
    try {
      io.out(certificateText(await leafOf(client, pod)));
    } catch (failure) {
      io.out(`\n${messageOf(failure)}\n`);
      return;
    }
  }
}

async function findPods(client: KubeClient, namespace: string, names: string[], selector?: string): Promise<Pod[]> {
  const found: Pod[] = selector ? (await client.list(PODS, { namespace, labelSelector: selector })).items : [];
  for (const name of names) {
    if (name.includes("/")) {
      throw new CliError(`invalid resource name "${name}": [may not contain '/']; give the names of pods, or -l app=…`);
    }
    const pod = await client.get(PODS, name, namespace);
    if (!pod) throw new CliError(`pods "${name}" not found in the namespace ${namespace}`);
    found.push(pod);
  }
  return found;
}

/** The proxy's leaf, from its admin port, or from its inbound port where the admin port speaks no TLS. */
async function leafOf(client: KubeClient, pod: Pod): Promise<Certificate> {
  if (pod.status?.phase !== "Running") throw new CliError(`pod not running: ${pod.metadata.name}`);
  const serverName = identityOf(pod);
  const ports = proxyContainerOf(pod)?.ports ?? [];
  const candidates = ["linkerd-admin", "linkerd-proxy"].flatMap((name) => {
    const found = ports.find((port) => port.name === name);
    return found ? [found.containerPort] : [];
  });
  let failure: unknown = new CliError(`pod ${pod.metadata.name} declares no port of its proxy`);
  for (const port of candidates) {
    try {
      const chain = await withForward(client, pod, port, (local) =>
        peerCertificates({ host: "127.0.0.1", port: local, serverName }),
      );
      return chain.map(parseCertificate).find((certificate) => !certificate.isCa) ?? parseCertificate(chain[0]!);
    } catch (cause) {
      failure = cause;
    }
  }
  throw failure;
}

/** The name in the proxy's certificate: its environment spells it with references to the pod's own fields. */
function identityOf(pod: Pod): string {
  const env = proxyContainerOf(pod)?.env ?? [];
  const template = env.find(({ name }) => name === "LINKERD2_PROXY_IDENTITY_LOCAL_NAME")?.value ?? "";
  const { namespace = "default" } = pod.metadata;
  const known: Record<string, string> = { _pod_ns: namespace, _pod_sa: pod.spec?.serviceAccountName ?? "default" };
  return template.replace(
    /\$\(([^)]+)\)/g,
    (whole, name: string) => known[name] ?? env.find((one) => one.name === name)?.value ?? whole,
  );
}

import { type CliContext, CliError } from "#cli/extension";
import { LABELS } from "#contracts/labels";
import { PORTS } from "#contracts/ports";
import { NAMESPACES, PODS } from "#kube/types";
import { GrpcClient, type GrpcCodec, GrpcError } from "#net/grpc-client";

const CALL_TIMEOUT_MS = 30_000;

/** A way to the metrics API through a port-forward into one of its ready pods. Close it when done. */
export class MetricsClient {
  readonly #grpc: GrpcClient;
  readonly #close: () => Promise<void>;

  private constructor(grpc: GrpcClient, close: () => Promise<void>) {
    this.#grpc = grpc;
    this.#close = close;
  }

  static async open(context: CliContext, namespace?: string): Promise<MetricsClient> {
    const client = await context.client();
    const vizNamespace = namespace || (await vizNamespaceOf(context));
    const { items } = await client.list(PODS, { namespace: vizNamespace, labelSelector: "component=metrics-api" });
    const pod = items.find((one) =>
      one.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
    );
    if (!pod) {
      throw new CliError(
        `Cannot connect to Linkerd Viz: no pod of metrics-api in namespace ${vizNamespace} is ready\nValidate the install with: linkerd viz check`,
      );
    }
    const forward = await client.portForward({
      pod: pod.metadata.name!,
      namespace: vizNamespace,
      port: PORTS.metricsApi,
    });
    const grpc = new GrpcClient({ host: "127.0.0.1", port: forward.port });
    return new MetricsClient(grpc, async () => {
      grpc.close();
      await forward.close();
    });
  }

  /** One call of `linkerd2.viz.Api`. */
  async call<Req, Res>(method: string, request: GrpcCodec<Req>, response: GrpcCodec<Res>, message: Req): Promise<Res> {
    try {
      return await this.#grpc.unary(`/linkerd2.viz.Api/${method}`, request, response, message, {
        timeoutMs: CALL_TIMEOUT_MS,
      });
    } catch (thrown) {
      if (!(thrown instanceof GrpcError)) throw thrown;
      throw new CliError(`${method} API error: ${thrown.message}`, { cause: thrown });
    }
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** The namespace that carries the extension's label. */
export async function vizNamespaceOf(context: CliContext): Promise<string> {
  const client = await context.client();
  const { items } = await client.list(NAMESPACES, { labelSelector: `${LABELS.extension}=viz` });
  const name = items[0]?.metadata.name;
  if (!name) {
    throw new CliError(
      `namespace with label "${LABELS.extension}: viz" not found\nInstall the extension with: linkerd viz install | kubectl apply -f -`,
    );
  }
  return name;
}

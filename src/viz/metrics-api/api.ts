import { GRPC_STATUS, GrpcError, type GrpcMethod, unary } from "#net/grpc-server";
import {
  CheckStatus,
  EdgesRequest,
  EdgesResponse,
  ListPodsRequest,
  ListPodsResponse,
  ListServicesRequest,
  ListServicesResponse,
  type Resource,
  SelfCheckRequest,
  SelfCheckResponse,
  StatSummaryRequest,
  StatSummaryResponse,
} from "#proto/viz";
import { edges } from "./edges.ts";
import { listPods } from "./pods.ts";
import { RequestError } from "./request.ts";
import { type StatContext, statSummary } from "./stat-summary.ts";

const SERVICE = "/linkerd2.viz.Api";

/** The gRPC methods of `linkerd2.viz.Api`. What cannot be asked is told in the response, as clients expect it. */
export function vizApi(context: StatContext, wallMs: () => number): GrpcMethod[] {
  return [
    unary(`${SERVICE}/StatSummary`, StatSummaryRequest, StatSummaryResponse, async (request) => ({
      response: await orError(request.selector?.resource, async () => ({
        statTables: await statSummary(request, context),
      })),
    })),
    unary(`${SERVICE}/Edges`, EdgesRequest, EdgesResponse, async (request) => ({
      response: await orError(request.selector?.resource, async () => ({ edges: await edges(request, context) })),
    })),
    unary(`${SERVICE}/ListPods`, ListPodsRequest, ListPodsResponse, async (request) => ({
      pods: await listPods(request, context, wallMs()),
    })),
    unary(`${SERVICE}/ListServices`, ListServicesRequest, ListServicesResponse, ({ namespace }) => ({
      services: context.cluster
        .objects("service")
        .filter(({ metadata }) => namespace === "" || metadata.namespace === namespace)
        .map(({ metadata }) => ({ name: metadata.name!, namespace: metadata.namespace! })),
    })),
    unary(`${SERVICE}/SelfCheck`, SelfCheckRequest, SelfCheckResponse, () => selfCheck(context)),
    ...["Gateways", "TopRoutes", "Authz"].map((method) => absent(method)),
  ];
}

type Answer<T> =
  | { $case: "ok"; value: T }
  | { $case: "error"; value: { resource: Resource | undefined; error: string } };

async function orError<T>(resource: Resource | undefined, answer: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { $case: "ok", value: await answer() };
  } catch (thrown) {
    if (!(thrown instanceof RequestError)) throw new GrpcError(GRPC_STATUS.INTERNAL, (thrown as Error).message);
    return { $case: "error", value: { resource, error: thrown.message } };
  }
}

function absent(method: string): GrpcMethod {
  return {
    path: `${SERVICE}/${method}`,
    run: () => {
      throw new GrpcError(GRPC_STATUS.UNIMPLEMENTED, `metrics-api does not answer ${method} yet`);
    },
  };
}

async function selfCheck({ source }: StatContext): Promise<SelfCheckResponse> {
  const kubernetes = {
    SubsystemName: "kubernetes",
    CheckDescription: "linkerd viz can talk to Kubernetes",
    Status: CheckStatus.OK,
    FriendlyMessageToUser: "",
  };
  const metrics = {
    ...kubernetes,
    SubsystemName: "prometheus",
    CheckDescription: "linkerd viz can talk to Prometheus",
  };
  try {
    await source.check();
    return { results: [kubernetes, metrics] };
  } catch (thrown) {
    return {
      results: [
        kubernetes,
        { ...metrics, Status: CheckStatus.ERROR, FriendlyMessageToUser: (thrown as Error).message },
      ],
    };
  }
}

import type { KubeObject } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";
import type { ResourceCall } from "../call.ts";
import type { LogRequest } from "../node-gateway.ts";

interface PodSpec {
  containers?: { name: string }[];
  initContainers?: { name: string }[];
  ephemeralContainers?: { name: string }[];
}

/** GET `/log`: the container's lines as text, streamed as they come. */
export async function logs(call: ResourceCall): Promise<void> {
  const { info, parts, response, type } = call;
  const pod = parts.objects.read(type, info.namespace, info.name);
  const container = containerOf(pod, call.url.searchParams.get("container"));
  const node = parts.node();
  if (!node) throw new StatusError("ServiceUnavailable", `Cannot read logs of pod "${info.name}": no node runs`);
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const lines = node.logs(logRequest(call, container, gone.signal))[Symbol.asyncIterator]();
  let next = await lines.next(); // refusals come before the head is sent
  response.writeHead(200, { "content-type": "text/plain", "cache-control": "no-cache, private" });
  for (; !next.done && !gone.signal.aborted; next = await lines.next()) {
    if (!response.write(next.value)) await drained(call);
  }
  if (!gone.signal.aborted) response.end();
  await lines.return?.();
}

function drained(call: ResourceCall): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.response.off("drain", done);
      call.response.off("close", done);
      resolve();
    };
    call.response.on("drain", done);
    call.response.on("close", done);
  });
}

function logRequest(call: ResourceCall, container: string, signal: AbortSignal): LogRequest {
  const query = call.url.searchParams;
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    if (!/^\d+$/.test(text))
      throw StatusError.badRequest(`Invalid value: ${JSON.stringify(text)}: ${name} must be a number, 0 or more`);
    return Number(text);
  };
  const tailLines = number("tailLines");
  const sinceSeconds = number("sinceSeconds");
  const limitBytes = number("limitBytes");
  const sinceTime = query.get("sinceTime");
  return {
    namespace: call.info.namespace!,
    pod: call.info.name,
    container,
    follow: isTrue(query.get("follow")),
    previous: isTrue(query.get("previous")),
    timestamps: isTrue(query.get("timestamps")),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceTime ? { sinceTime } : {}),
    signal,
  };
}

/** The container a request means: the one named, or the only one, or the default one. BadRequest otherwise. */
export function containerOf(pod: KubeObject, wanted: string | null): string {
  const spec = (pod["spec"] ?? {}) as PodSpec;
  const groups = [spec.containers, spec.initContainers, spec.ephemeralContainers];
  const all = groups.flatMap((group) => (group ?? []).map((container) => container.name));
  if (wanted) {
    if (all.includes(wanted)) return wanted;
    throw StatusError.badRequest(`container ${wanted} is not valid for pod ${pod.metadata.name}`);
  }
  const marked = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  if (marked && all.includes(marked)) return marked;
  const main = (spec.containers ?? []).map((container) => container.name);
  if (main.length === 1) return main[0]!;
  throw StatusError.badRequest(
    `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${main.join(" ")}]`,
  );
}

function isTrue(text: string | null): boolean {
  return text === "true" || text === "1";
}

import {
  AUTHORIZATION_POLICIES,
  type AuthorizationPolicy,
  type HttpRoute,
  type KubeClient,
  POLICY_HTTP_ROUTES,
  type Pod,
  SERVER_AUTHORIZATIONS,
  SERVERS,
  type Server,
  type ServerAuthorization,
  selectorMatches,
} from "#kube";
import type { CliContext } from "./context.ts";
import { podsBehind } from "./pods-behind.ts";
import { parseOne } from "./resource-argument.ts";
import { fixedTable } from "./table.ts";

/** One authorization in force: on a route, or on a whole server (`route` is `*`). */
export interface AuthorizationRow {
  readonly route: string;
  readonly server: string;
  readonly authorizationPolicy: string;
  readonly serverAuthorization: string;
}

/** Prints which policy objects let clients reach a resource's pods. */
export async function authz(words: string[], namespace: string | undefined, context: CliContext): Promise<void> {
  const client = await context.client();
  const rows = await authorizationsFor(client, words, namespace ?? client.cluster.namespace);
  const column = (header: string, width: number) => ({ header, width, flexible: true });
  const columns = [
    column("ROUTE", 6),
    column("SERVER", 6),
    column("AUTHORIZATION_POLICY", 21),
    column("SERVER_AUTHORIZATION", 21),
  ];
  const cells = rows.map((row) => [row.route, row.server, row.authorizationPolicy, row.serverAuthorization]);
  context.io.out(fixedTable(columns, cells));
}

/** The authorizations of every Server that selects the resource's pods, server by server. */
export async function authorizationsFor(
  client: KubeClient,
  words: string[],
  namespace: string,
): Promise<AuthorizationRow[]> {
  const pods = await podsBehind(client, parseOne(...words), namespace);
  const servers = (await client.list(SERVERS, { namespace })).items.filter((server) => selects(server, pods));
  const policies = (await client.list(AUTHORIZATION_POLICIES, { namespace })).items;
  const old = (await client.list(SERVER_AUTHORIZATIONS, { namespace })).items;
  const routes = (await client.list(POLICY_HTTP_ROUTES, { namespace })).items;
  return servers.flatMap((server) => [
    ...old.filter((one) => coversServer(one, server)).map((one) => row("*", server, "", one.metadata.name)),
    ...policies
      .filter(
        ({ spec }) => isNamespaceTarget(spec.targetRef) || isTarget(spec.targetRef, "server", server.metadata.name),
      )
      .map((policy) => row("*", server, policy.metadata.name, "")),
    ...routes
      .filter((route) => isAttached(route, server))
      .flatMap((route) => routePolicies(policies, route).map((name) => row(route.metadata.name, server, name, ""))),
  ]);
}

function row(route: string, server: Server, authorizationPolicy: string, serverAuthorization: string) {
  return { route, server: server.metadata.name, authorizationPolicy, serverAuthorization };
}

/** A Server counts when it selects a pod that has its port. */
function selects({ spec }: Server, pods: readonly Pod[]): boolean {
  const { podSelector, port } = spec;
  if (!podSelector) return false;
  return pods.some((pod) => selectorMatches(podSelector, pod.metadata.labels) && hasPort(pod, port));
}

function hasPort(pod: Pod, port: number | string): boolean {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return containers.some(({ ports }) =>
    ports?.some(({ name, containerPort }) => name === port || containerPort === port),
  );
}

function coversServer({ spec }: ServerAuthorization, server: Server): boolean {
  const { name, selector } = spec.server;
  return name
    ? name === server.metadata.name
    : selector !== undefined && selectorMatches(selector, server.metadata.labels);
}

type Target = AuthorizationPolicy["spec"]["targetRef"];

function isNamespaceTarget({ group = "", kind }: Target): boolean {
  return (group === "" || group === "core") && kind.toLowerCase() === "namespace";
}

function isTarget({ group, kind, name }: Target, wantedKind: string, wantedName: string): boolean {
  return group === "policy.linkerd.io" && kind.toLowerCase() === wantedKind && name === wantedName;
}

function isAttached(route: HttpRoute, server: Server): boolean {
  const parents = route.spec.parentRefs ?? [];
  return parents.some(({ kind, name }) => kind?.toLowerCase() === "server" && name === server.metadata.name);
}

function routePolicies(policies: readonly AuthorizationPolicy[], route: HttpRoute): string[] {
  return policies
    .filter(({ spec }) => isTarget(spec.targetRef, "httproute", route.metadata.name))
    .map(({ metadata }) => metadata.name);
}

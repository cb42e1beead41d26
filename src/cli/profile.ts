import { CliError } from "./cli-error.ts";
import type { CliContext } from "./context.ts";
import { readInput } from "./inputs.ts";
import { storedValues } from "./installed.ts";
import { manifestFormat, printManifests } from "./manifest-output.ts";
import { type ProfileRoute, routesOfOpenApi, routesOfProto } from "./profile-sources.ts";

export interface ProfileFlags {
  template?: boolean;
  openApi?: string;
  proto?: string;
  namespace?: string;
  ignoreCluster?: boolean;
  output: string;
}

/** Prints a ServiceProfile for a service, from a description of its interface or as a template. */
export async function profile(service: string, flags: ProfileFlags, context: CliContext): Promise<void> {
  const format = manifestFormat(flags.output);
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(service)) {
    throw new CliError(`invalid service "${service}": wanted a DNS label such as web`);
  }
  const sources = [flags.template, flags.openApi, flags.proto].filter((source) => source !== undefined);
  if (sources.length !== 1) throw new CliError("You must specify exactly one of --template, --open-api, or --proto");
  const namespace = flags.namespace ?? (flags.ignoreCluster ? "default" : await context.defaultNamespace());
  const name = `${service}.${namespace}.svc.${await clusterDomain(flags, context)}`;
  if (flags.template) {
    context.io.out(template(name, namespace));
    return;
  }
  const routes = await readRoutes(flags, context);
  const metadata = { name, namespace };
  const object = { apiVersion: "linkerd.io/v1alpha2", kind: "ServiceProfile", metadata, spec: { routes } };
  context.io.out(printManifests([object], format));
}

async function clusterDomain({ ignoreCluster }: ProfileFlags, context: CliContext): Promise<string> {
  if (ignoreCluster) return "cluster.local";
  const values = await storedValues(await context.client(), context.linkerdNamespace);
  return values?.clusterDomain ?? "cluster.local";
}

async function readRoutes({ openApi, proto }: ProfileFlags, { io }: CliContext): Promise<ProfileRoute[]> {
  const inputs = await readInput((openApi ?? proto)!, io);
  const text = inputs.map((input) => input.text).join("\n");
  return openApi === undefined ? routesOfProto(text) : routesOfOpenApi(text);
}

function template(name: string, namespace: string): string {
  return `# Routes of ${name}: what is counted, retried and timed out by itself.
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  # The first route that matches a request is its route.
  routes:
  - name: GET /books/{id} # shown in metrics
    condition:
      method: GET
      pathRegex: /books/[^/]* # must match the whole path
    isRetryable: true # only for requests that may be sent twice
    timeout: 500ms
    # What counts as a failure; without it, status 500 and above.
    responseClasses:
    - condition:
        status:
          min: 500
          max: 599
      isFailure: true
  # How many more requests retries may cause.
  retryBudget:
    retryRatio: 0.2
    minRetriesPerSecond: 10
    ttl: 10s
`;
}

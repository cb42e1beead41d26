import type { KubeClient } from "#kube";
import { CliError, messageOf } from "./cli-error.ts";
import type { Io } from "./io.ts";

/** The flags that every command takes. */
export interface GlobalOptions {
  linkerdNamespace: string;
  cniNamespace: string;
  kubeconfig?: string;
  context?: string;
  as?: string;
  asGroup: string[];
  apiAddr?: string;
  verbose: boolean;
}

/** What every command works with. */
export class CliContext {
  readonly io: Io;
  #globals: GlobalOptions;
  #client: Promise<KubeClient> | undefined;

  constructor(io: Io, globals: GlobalOptions) {
    this.io = io;
    this.#globals = globals;
  }

  /** Takes the flags as parsed; the program calls it before any command runs. */
  configure(globals: GlobalOptions): void {
    if (!/^[a-zA-Z0-9-]+$/.test(globals.linkerdNamespace)) {
      throw new CliError(`${globals.linkerdNamespace} is not a valid namespace`);
    }
    this.#globals = globals;
  }

  get globals(): GlobalOptions {
    return this.#globals;
  }

  /** The control plane's namespace. */
  get linkerdNamespace(): string {
    return this.#globals.linkerdNamespace;
  }

  /** The cluster that the flags and the kubeconfig name; connected to on first use. */
  client(): Promise<KubeClient> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  /** The namespace of the kubeconfig's context, for commands with `-n`. */
  async defaultNamespace(): Promise<string> {
    return (await this.client()).cluster.namespace;
  }

  async #connect(): Promise<KubeClient> {
    const { KubeClient } = await import("#kube");
    const { runPlugin } = await import("./credential-plugin.ts");
    const { kubeconfig, context } = this.#globals;
    try {
      return impersonating(
        KubeClient.fromKubeconfig({ path: kubeconfig, context, env: (name) => this.io.env(name), runPlugin }),
        this.#globals,
      );
    } catch (cause) {
      throw new CliError(messageOf(cause), { cause });
    }
  }
}

/** The same cluster as someone else. The headers cannot be repeated here, so only one group can be taken. */
function impersonating(client: KubeClient, { as, asGroup }: GlobalOptions): KubeClient {
  if (as === undefined) return client;
  if (asGroup.length > 1) throw new CliError(`Cannot act as ${asGroup.length} groups: give --as-group once`);
  const { credentials } = client.cluster;
  const impersonate = { user: as, group: asGroup[0] };
  Object.assign(client.cluster, { credentials: async () => ({ ...(await credentials()), impersonate }) });
  return client;
}

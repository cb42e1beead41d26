import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Clock, systemClock } from "#lib/clock";
import { readTextIfThere } from "#lib/files";
import { parseYamlAll } from "#lib/yaml";
import type { Cluster, Credentials } from "./cluster.ts";
import { type ExecConfig, ExecCredential, type RunPlugin } from "./exec-credential.ts";
import { TokenFile } from "./token-file.ts";

export interface KubeconfigOptions {
  /** A file, or several joined by `:`. Default: KUBECONFIG, then ~/.kube/config. */
  readonly path?: string | undefined;
  /** The text itself, as a Secret holds it; `path` is then ignored. */
  readonly text?: string | undefined;
  /** Default: the file's current-context. */
  readonly context?: string | undefined;
  /** Overrides the URL of the API server. */
  readonly server?: string | undefined;
  /** Reads an environment variable (KUBECONFIG). */
  readonly env?: ((name: string) => string | undefined) | undefined;
  /** Runs credential plugins (`users[].user.exec`); without it such users are refused with a clear error. */
  readonly runPlugin?: RunPlugin | undefined;
  readonly clock?: Clock | undefined;
}

interface ClusterEntry {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
}

interface UserEntry {
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  exec?: ExecConfig;
}

interface ContextEntry {
  cluster: string;
  user: string;
  namespace?: string;
}

interface Loaded<T> {
  readonly entry: T;
  /** Relative file names are relative to the file that names them. */
  readonly directory: string;
}

interface Merged {
  currentContext: string;
  readonly clusters: Map<string, Loaded<ClusterEntry>>;
  readonly users: Map<string, Loaded<UserEntry>>;
  readonly contexts: Map<string, Loaded<ContextEntry>>;
}

/** The cluster a kubeconfig's context names. Several files merge as kubectl merges them: the first mention wins. */
export function fromKubeconfig(options: KubeconfigOptions = {}): Cluster {
  const merged = readAll(options);
  const contextName = options.context ?? merged.currentContext;
  const context = merged.contexts.get(contextName)?.entry;
  if (!context && options.server === undefined) {
    const known = [...merged.contexts.keys()].join(", ") || "none";
    throw new Error(`Cannot use kubeconfig context "${contextName}": it is not defined (contexts: ${known})`);
  }
  const cluster = context && merged.clusters.get(context.cluster);
  const user = context && merged.users.get(context.user);
  const server = options.server ?? cluster?.entry.server;
  if (!server)
    throw new Error(`Cannot use kubeconfig context "${contextName}": cluster "${context?.cluster}" has no server`);
  return {
    server: server.replace(/\/+$/, ""),
    ca: cluster && dataOrFile(cluster, "certificate-authority"),
    serverName: cluster?.entry["tls-server-name"],
    skipVerify: cluster?.entry["insecure-skip-tls-verify"],
    namespace: context?.namespace || "default",
    context: contextName,
    credentials: credentialsOf(user, options),
  };
}

/** The names of all contexts and which one is current. */
export function kubeconfigContexts(options: KubeconfigOptions = {}): { current: string; names: string[] } {
  const merged = readAll(options);
  return { current: merged.currentContext, names: [...merged.contexts.keys()] };
}

function readAll(options: KubeconfigOptions): Merged {
  const merged: Merged = { currentContext: "", clusters: new Map(), users: new Map(), contexts: new Map() };
  if (options.text !== undefined) {
    mergeText(merged, options.text, ".", "the given kubeconfig");
    return merged;
  }
  const named = options.path ?? options.env?.("KUBECONFIG");
  const paths = named ? named.split(":").filter((path) => path !== "") : [join(homedir(), ".kube", "config")];
  let isAnyThere = false;
  for (const path of paths) {
    const text = readTextIfThere(path);
    if (text === undefined) continue;
    isAnyThere = true;
    mergeText(merged, text, dirname(resolve(path)), `"${path}"`);
  }
  if (!isAnyThere && options.server === undefined) {
    throw new Error(`Cannot read kubeconfig "${paths.join(":")}": no such file; pass --kubeconfig or set KUBECONFIG`);
  }
  return merged;
}

function mergeText(merged: Merged, text: string, directory: string, source: string): void {
  const document = parseYamlAll(text)[0] as Record<string, unknown> | undefined;
  if (typeof document !== "object") throw new Error(`Cannot read kubeconfig ${source}: wanted a YAML mapping`);
  merged.currentContext ||= String(document["current-context"] ?? "");
  collect(document["clusters"], "cluster", directory, merged.clusters);
  collect(document["users"], "user", directory, merged.users);
  collect(document["contexts"], "context", directory, merged.contexts);
}

function collect<T>(list: unknown, member: string, directory: string, into: Map<string, Loaded<T>>): void {
  if (!Array.isArray(list)) return;
  for (const item of list as { name?: string }[]) {
    const entry = (item as Record<string, unknown>)[member];
    if (item.name === undefined || typeof entry !== "object" || entry === null || into.has(item.name)) continue;
    into.set(item.name, { entry: entry as T, directory });
  }
}

/** PEM text given inline (`x-data`, base64) or in a file (`x`). */
function dataOrFile<T extends object>({ entry, directory }: Loaded<T>, name: string): string | undefined {
  const fields = entry as Record<string, unknown>;
  const data = fields[`${name}-data`];
  if (typeof data === "string" && data !== "") return Buffer.from(data, "base64").toString("utf8");
  const path = fields[name];
  if (typeof path !== "string" || path === "") return undefined;
  const text = readTextIfThere(resolve(directory, path));
  if (text === undefined) throw new Error(`Cannot read "${path}" named by the kubeconfig as ${name}: no such file`);
  return text;
}

function credentialsOf(user: Loaded<UserEntry> | undefined, options: KubeconfigOptions): () => Promise<Credentials> {
  if (!user) return async () => ({});
  const { entry, directory } = user;
  const clock = options.clock ?? systemClock;
  if (entry.exec) {
    const plugin = new ExecCredential(entry.exec, options.runPlugin, clock);
    return () => plugin.read();
  }
  const cert = dataOrFile(user, "client-certificate");
  const key = dataOrFile(user, "client-key");
  const certificate = cert && key ? { cert, key } : undefined;
  if (entry.tokenFile) {
    const file = new TokenFile(resolve(directory, entry.tokenFile), clock);
    return async () => ({ authorization: `Bearer ${file.read()}`, certificate });
  }
  const authorization = entry.token ? `Bearer ${entry.token}` : basic(entry);
  return async () => ({ authorization, certificate });
}

function basic({ username, password }: UserEntry): string | undefined {
  if (!username) return undefined;
  return `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
}

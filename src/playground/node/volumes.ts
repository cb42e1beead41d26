/**
 * Volumes as folders of the node. Those whose content comes from objects (ConfigMap, Secret, projected, downwardAPI)
 * are replaced in one step the way kubelets do: files are links to `..data/…`, and `..data` is a link to the current
 * set, swapped by rename.
 */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Pod, Volume } from "#kube/types";
import { podField, resourceField } from "./downward.ts";
import { ConfigError, type DataReader } from "./environment.ts";
import { mountNew, unmountTree } from "./system-calls.ts";

/** One file of a volume: path inside it, bytes, permission bits. */
export interface VolumeFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
}

export interface TokenRequest {
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

/** What content volumes are made from. Tokens are asked for before, because that takes a request. */
export interface VolumeSources {
  readonly pod: Pod;
  readonly podIp: string;
  readonly read: DataReader;
  /** The pod's current token for an audience. */
  readonly token: (request: TokenRequest) => string;
}

const DEFAULT_MODE = 0o644;
const EMPTY_DIR_BYTES = "size=512m";

type Projection = NonNullable<NonNullable<Volume["projected"]>["sources"]>[number];

/** Every token a pod's volumes need. */
export function tokensOf(pod: Pod): TokenRequest[] {
  const sources = (pod.spec?.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
  return sources.flatMap((source) => {
    const token = source.serviceAccountToken;
    return token ? [{ audience: token.audience, expirationSeconds: token.expirationSeconds ?? 3600 }] : [];
  });
}

/** True when the volume's content comes from objects and follows their changes. */
export function isContentVolume(volume: Volume): boolean {
  return Boolean(volume.configMap ?? volume.secret ?? volume.projected ?? volume.downwardAPI);
}

/** The files of a content volume. ConfigError when an object it needs is not there. */
export function volumeFiles(volume: Volume, sources: VolumeSources): VolumeFile[] {
  if (volume.configMap)
    return dataFiles("ConfigMap", volume.configMap.name ?? "", volume.configMap, volume.configMap.defaultMode, sources);
  if (volume.secret)
    return dataFiles("Secret", volume.secret.secretName ?? "", volume.secret, volume.secret.defaultMode, sources);
  if (volume.downwardAPI) return downwardFiles(volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode, sources);
  const mode = volume.projected?.defaultMode;
  return (volume.projected?.sources ?? []).flatMap((source) => projectedFiles(source, mode, sources));
}

function projectedFiles(source: Projection, mode: number | undefined, sources: VolumeSources): VolumeFile[] {
  if (source.configMap) return dataFiles("ConfigMap", source.configMap.name ?? "", source.configMap, mode, sources);
  if (source.secret) return dataFiles("Secret", source.secret.name ?? "", source.secret, mode, sources);
  if (source.downwardAPI) return downwardFiles(source.downwardAPI.items ?? [], mode, sources);
  if (!source.serviceAccountToken) return [];
  const { path, audience, expirationSeconds = 3600 } = source.serviceAccountToken;
  // Kubelets give tokens 0600 and the file to the pod's user; every user of the pod may read it here.
  return [{ path, bytes: Buffer.from(sources.token({ audience, expirationSeconds })), mode: mode ?? DEFAULT_MODE }];
}

function dataFiles(
  kind: "ConfigMap" | "Secret",
  name: string,
  choice: { items?: { key: string; path: string; mode?: number }[]; optional?: boolean },
  mode = DEFAULT_MODE,
  sources: VolumeSources,
): VolumeFile[] {
  const data = sources.read(kind, sources.pod.metadata.namespace ?? "default", name);
  if (!data) {
    if (choice.optional) return [];
    throw new ConfigError(`${kind.toLowerCase()} "${name}" not found`);
  }
  if (!choice.items) return [...data].map(([key, bytes]) => ({ path: key, bytes, mode }));
  return choice.items.flatMap((item) => {
    const bytes = data.get(item.key);
    if (bytes) return [{ path: item.path, bytes, mode: item.mode ?? mode }];
    if (choice.optional) return [];
    throw new ConfigError(`references non-existent ${kind.toLowerCase()} key: ${item.key}`);
  });
}

interface DownwardItem {
  path: string;
  mode?: number;
  fieldRef?: { fieldPath: string };
  resourceFieldRef?: { containerName?: string; resource: string; divisor?: string };
}

function downwardFiles(items: readonly DownwardItem[], mode = DEFAULT_MODE, sources: VolumeSources): VolumeFile[] {
  return items.map((item) => {
    const text = item.fieldRef
      ? podField(sources.pod, item.fieldRef.fieldPath, sources.podIp)
      : downwardResource(item, sources.pod);
    return { path: item.path, bytes: Buffer.from(text ?? ""), mode: item.mode ?? mode };
  });
}

function downwardResource(item: DownwardItem, pod: Pod): string | undefined {
  const ref = item.resourceFieldRef;
  const container = pod.spec?.containers.find((c) => c.name === ref?.containerName);
  return ref && container ? resourceField(container, ref.resource, ref.divisor) : undefined;
}

/** Writes the set of files as the folder's current one; returns false when nothing changed. */
export function publishFiles(
  folder: string,
  files: readonly VolumeFile[],
  previous: string | undefined,
): string | false {
  const digest = digestOf(files);
  if (digest === previous) return false;
  const old = currentSet(folder);
  const set = `..${digest.slice(0, 16)}`;
  if (old !== set) rmSync(join(folder, set), { recursive: true, force: true });
  for (const file of files) writeFile(join(folder, set, safePath(file.path)), file);
  mkdirSync(join(folder, set), { recursive: true });
  symlinkSync(set, join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  linkTopLevel(folder, files);
  if (old && old !== set) rmSync(join(folder, old), { recursive: true, force: true });
  return digest;
}

function writeFile(path: string, file: VolumeFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, file.bytes);
  chmodSync(path, file.mode); // the umask must not take bits away
}

function linkTopLevel(folder: string, files: readonly VolumeFile[]): void {
  const wanted = new Set(files.map((file) => safePath(file.path).split("/")[0]!));
  const there = readdirSync(folder).filter((name) => !name.startsWith(".."));
  for (const name of there) if (!wanted.has(name)) rmSync(join(folder, name), { force: true });
  for (const name of wanted) if (!there.includes(name)) symlinkSync(`..data/${name}`, join(folder, name));
}

function currentSet(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, "..data"));
  } catch {
    return undefined; // first time
  }
}

function digestOf(files: readonly VolumeFile[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const file of files) {
    hasher.update(`${file.path}\0${file.mode}\0${file.bytes.length}\0`);
    hasher.update(file.bytes);
  }
  return hasher.digest("hex");
}

function safePath(path: string): string {
  if (path.startsWith("/") || path.split("/").includes(".."))
    throw new ConfigError(`volume path "${path}" leaves its volume`);
  return path;
}

/** Makes a volume's folder. `hostPath` and claims are refused: a playground keeps nothing and shows nothing it need not. */
export function openVolume(volume: Volume, folder: string): void {
  mkdirSync(folder, { recursive: true });
  if (volume.emptyDir) {
    const limit = volume.emptyDir.sizeLimit;
    mountNew("tmpfs", folder, `mode=0777,${limit && /^\d+$/.test(limit) ? `size=${limit}` : EMPTY_DIR_BYTES}`);
    return;
  }
  if (isContentVolume(volume)) {
    chmodSync(folder, 0o755);
    return;
  }
  const kind = Object.keys(volume).find((field) => field !== "name") ?? "none";
  throw new ConfigError(
    `Volume "${volume.name}" is of kind ${kind}, which the playground does not have: use emptyDir, configMap, secret, projected or downwardAPI`,
  );
}

/** Takes a volume away. */
export function closeVolume(folder: string): void {
  unmountTree(folder);
  rmSync(folder, { recursive: true, force: true });
}

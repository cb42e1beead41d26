/**
 * A container's files: this machine's own through an overlay whose writes go to memory and vanish with the container.
 * As root the overlay covers `/`; in a user namespace Linux allows it over folders only, so there it covers those
 * that programs write to and the rest is shown read-only.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bindMount, makeReadOnly, mountNew, unmountTree } from "./system-calls.ts";

export interface RootOptions {
  /** A folder of this container's own, in the node's private memory. */
  readonly home: string;
  /** Whether the node is root of the machine (else of a user namespace). */
  readonly isRoot: boolean;
  /** Folders laid over `/usr` (commands fetched into the clone, such as iptables). */
  readonly usrLayers: readonly string[];
  /** Files written into the container before it starts, by absolute path: resolv.conf, hosts. Scripts (`#!`) may be run. */
  readonly texts: Readonly<Record<string, string>>;
}

const OVERLAID = ["etc", "opt", "usr", "var"];
const OWN = new Set(["dev", "proc", "run", "sys", "tmp"]); // made new for each container
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
const SCRATCH_BYTES = "size=256m"; // per container and folder; writes beyond it fail with ENOSPC

/** Builds the tree and returns its path; `closeRoot` takes it away. */
export function openRoot(options: RootOptions): string {
  const root = join(options.home, "root");
  mkdirSync(root, { recursive: true });
  mountNew("tmpfs", options.home, `mode=0755,${SCRATCH_BYTES}`);
  mkdirSync(root);
  if (options.isRoot) overlayWhole(options, root);
  else overlayFolders(options, root);
  mountFreshFolders(root);
  return root;
}

/** Takes the tree away from the node's side; the container's own view ends with its last process. */
export function closeRoot(home: string): void {
  unmountTree(home);
}

/** Makes the files read-only (`readOnlyRootFilesystem`); volumes keep their own mode. */
export function sealRoot(options: Pick<RootOptions, "usrLayers">, root: string, isRoot: boolean): void {
  const overlays = isRoot ? [root, ...(options.usrLayers.length > 0 ? [join(root, "usr")] : [])] : rootlessMounts(root);
  for (const at of [...overlays, join(root, "tmp"), join(root, "run")]) makeReadOnly(at, false); // volumes below keep their own mode
}

function rootlessMounts(root: string): string[] {
  return [root, ...OVERLAID.filter((name) => isFolder(`/${name}`)).map((name) => join(root, name))];
}

function overlayWhole(options: RootOptions, root: string): void {
  const hasUsr = options.usrLayers.length > 0;
  const isUsr = ([path]: [string, string]): boolean => hasUsr && path.startsWith("/usr/");
  const texts = Object.entries(options.texts);
  overlay(options, "all", ["/"], root, Object.fromEntries(texts.filter((text) => !isUsr(text))));
  if (!hasUsr) return;
  const inUsr = texts.filter(isUsr).map(([path, text]): [string, string] => [path.slice("/usr".length), text]);
  overlay(options, "usr", [...options.usrLayers, "/usr"], join(root, "usr"), Object.fromEntries(inUsr));
}

function overlayFolders(options: RootOptions, root: string): void {
  mountNew("tmpfs", root, `mode=0755,${SCRATCH_BYTES}`); // a root must be a mount of its own
  for (const name of readdirSync("/")) {
    const source = `/${name}`;
    const target = join(root, name);
    const entry = lstatSync(source);
    if (OWN.has(name)) continue;
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (entry.isDirectory()) showFolder(options, name, target);
  }
}

function showFolder(options: RootOptions, name: string, target: string): void {
  mkdirSync(target);
  if (!OVERLAID.includes(name)) {
    bindMount(`/${name}`, target, true); // what cannot be overlaid must not be written to
    return;
  }
  const layers = name === "usr" ? [...options.usrLayers, "/usr"] : [`/${name}`];
  const texts = Object.entries(options.texts).filter(([path]) => path.startsWith(`/${name}/`));
  overlay(
    options,
    name,
    layers,
    target,
    Object.fromEntries(texts.map(([path, text]) => [path.slice(name.length + 1), text])),
  );
}

function overlay(
  options: RootOptions,
  name: string,
  layers: readonly string[],
  target: string,
  texts: Readonly<Record<string, string>>,
): void {
  const upper = join(options.home, `upper-${name}`);
  const work = join(options.home, `work-${name}`);
  for (const folder of [upper, work]) mkdirSync(folder, { mode: 0o755 });
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(join(upper, path, ".."), { recursive: true, mode: 0o755 });
    writeFileSync(join(upper, path), text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
  }
  const escaped = layers.map((layer) => layer.replaceAll("\\", "\\\\").replaceAll(":", "\\:"));
  const data = `lowerdir=${escaped.join(":")},upperdir=${upper},workdir=${work}`;
  mountNew("overlay", target, options.isRoot ? data : `${data},userxattr`);
}

function mountFreshFolders(root: string): void {
  for (const name of OWN) mkdirSync(join(root, name), { recursive: true });
  mountNew("tmpfs", join(root, "tmp"), `mode=1777,${SCRATCH_BYTES}`);
  mountNew("tmpfs", join(root, "run"), `mode=0755,${SCRATCH_BYTES}`);
  mountDevices(join(root, "dev"));
  bindMount("/sys", join(root, "sys"), true);
}

/** Device nodes cannot be made in a user namespace, so the machine's own are shown. */
function mountDevices(dev: string): void {
  mountNew("tmpfs", dev, "mode=0755,size=64k");
  for (const name of DEVICES) {
    writeFileSync(join(dev, name), "");
    bindMount(`/dev/${name}`, join(dev, name));
  }
  for (const name of ["pts", "shm"]) mkdirSync(join(dev, name));
  mountNew("devpts", join(dev, "pts"), "newinstance,ptmxmode=0666,mode=0620");
  mountNew("tmpfs", join(dev, "shm"), "mode=1777,size=64m");
  symlinkSync("pts/ptmx", join(dev, "ptmx"));
  symlinkSync("/proc/self/fd", join(dev, "fd"));
  for (const [fd, name] of ["stdin", "stdout", "stderr"].entries()) symlinkSync(`/proc/self/fd/${fd}`, join(dev, name));
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

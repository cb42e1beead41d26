import { lstatSync, mkdirSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const MAX_LINKS = 40; // as many as Linux follows before ELOOP

/**
 * Where `path` of a container lies on this side of `root`: links are followed as the container would, so an absolute
 * link never leads out of the root. Parts that do not exist are kept as they are.
 */
export function resolveInRoot(root: string, path: string): string {
  let pending = path.split("/").filter(Boolean);
  let done: string[] = [];
  let linksLeft = MAX_LINKS;
  while (pending.length > 0) {
    const part = pending.shift()!;
    if (part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const target = linkTarget(join(root, ...done, part));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    if (linksLeft-- === 0) throw new Error(`Cannot resolve "${path}": too many symbolic links`);
    if (target.startsWith("/")) done = [];
    pending = [...target.split("/").filter(Boolean), ...pending];
  }
  return join(root, ...done);
}

/** Makes sure a mount of a folder (or file) can land on `path` of the container; returns the path on this side. */
export function makeMountPoint(root: string, path: string, kind: "folder" | "file"): string {
  const at = resolveInRoot(root, path);
  if (kind === "folder") mkdirSync(at, { recursive: true });
  else {
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, "", { flag: "a" });
  }
  return at;
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined; // not there (yet): nothing to follow
  }
}

/**
 * The few Linux calls that no Bun module offers: mounts and network namespaces. They run on the main thread, take
 * microseconds, and spare one process each (a container needs about fifteen mounts).
 */
import { dlopen, type Pointer, ptr, read } from "bun:ffi";
import { closeSync, openSync, writeFileSync } from "node:fs";

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_BIND = 4096;
const MS_REC = 16384;
const MNT_DETACH = 2;
const CLONE_NEWNET = 0x40000000;
const O_CLOEXEC = 0o2000000;
const SYS_MOUNT_SETATTR = 442n; // the same on every architecture
const AT_FDCWD = -100n;
const AT_RECURSIVE = 0x8000n;
const MOUNT_ATTR_RDONLY = 1n;

const libc = dlopen("libc.so.6", {
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  umount2: { args: ["ptr", "i32"], returns: "i32" },
  unshare: { args: ["i32"], returns: "i32" },
  setns: { args: ["i32", "i32"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  syscall: { args: ["i64", "i64", "ptr", "u64", "ptr", "u64"], returns: "i64" },
  __errno_location: { args: [], returns: "ptr" },
}).symbols;

/** A pipe whose ends no child inherits by accident. (Bun's own pipes are sockets, which `/dev/stdout` cannot open.) */
export function makePipe(): { readFd: number; writeFd: number } {
  const fds = new Int32Array(2);
  if (libc.pipe2(ptr(fds), O_CLOEXEC) !== 0) throw failure("make a pipe");
  return { readFd: fds[0]!, writeFd: fds[1]! };
}

/** Mounts a new file system of `type` at `target`; `options` as after `mount -o`, without the flags. */
export function mountNew(type: string, target: string, options: string, readOnly = false): void {
  mount(type, target, type, MS_NOSUID | (readOnly ? MS_RDONLY : 0), options);
}

/** Shows the file or folder `source` at `target` too, with what is mounted below it. */
export function bindMount(source: string, target: string, readOnly = false): void {
  mount(source, target, "", MS_BIND | MS_REC, "");
  if (readOnly) makeReadOnly(target, true);
}

/** Forbids writes through the mount at `target` (and, recursive, those below it); the file systems may still change. */
export function makeReadOnly(target: string, isRecursive: boolean): void {
  const attributes = new BigUint64Array([MOUNT_ATTR_RDONLY, 0n, 0n, 0n]); // set, clear, propagation, user namespace
  const path = cString(target);
  const result = libc.syscall(
    SYS_MOUNT_SETATTR,
    AT_FDCWD,
    ptr(path),
    isRecursive ? AT_RECURSIVE : 0n,
    ptr(attributes),
    attributes.byteLength,
  );
  if (result !== 0n) throw failure(`make ${target} read-only (Linux 5.12 or newer is needed)`);
}

/** Takes the mounts at `target` and below out of this namespace; they end when their last user does. */
export function unmountTree(target: string): void {
  libc.umount2(ptr(cString(target)), MNT_DETACH); // already gone is as good as gone
}

/**
 * Makes an empty network namespace that lives at the path `name`, runs `prepare` inside it (synchronously: the
 * whole main thread is there meanwhile) and comes back.
 */
export function makeNetworkNamespace(name: string, prepare: () => void): void {
  writeFileSync(name, "");
  inOwnNamespace(() => {
    if (libc.unshare(CLONE_NEWNET) !== 0) throw failure(`make the network namespace ${name}`);
    mount("/proc/thread-self/ns/net", name, "", MS_BIND, "");
    prepare();
  });
}

function inOwnNamespace(run: () => void): void {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    run();
  } finally {
    if (libc.setns(home, CLONE_NEWNET) !== 0) process.abort(); // never serve from a pod's network
    closeSync(home);
  }
}

function mount(source: string, target: string, type: string, flags: number, data: string): void {
  const texts = [source, target, type, data].map(cString);
  const [at, to, kind, options] = texts.map((text) => ptr(text));
  if (libc.mount(at!, to!, kind!, flags, options!) !== 0)
    throw failure(`mount ${type || "bind"} ${source} at ${target}${data && ` with ${data}`}`);
}

function failure(what: string): Error {
  const errno = read.i32(libc.__errno_location() as Pointer, 0);
  return new Error(`Cannot ${what}: errno ${errno}`);
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** Runs `act` (synchronously) with the main thread in the network namespace at `path`; sockets made there stay there. */
export function inNetworkNamespace<T>(path: string, act: () => T): T {
  const target = openSync(path, "r");
  try {
    let result: T | undefined;
    inOwnNamespace(() => {
      if (libc.setns(target, CLONE_NEWNET) !== 0) throw failure(`enter the network namespace ${path}`);
      result = act();
    });
    return result as T;
  } finally {
    closeSync(target);
  }
}

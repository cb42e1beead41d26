/** Finds out, before anything is started, whether this machine and this user can run a playground, and as what. */
import { readFileSync } from "node:fs";
import { readTextIfThere } from "#lib/files";

export interface Footing {
  /** Arguments of `unshare` that give the node its own users; empty as root. */
  readonly userArguments: readonly string[];
  readonly isRoot: boolean;
}

export interface Machine {
  readonly uid: number;
  readonly userName: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Something is missing; the message says what to do about it. */
export class PrerequisiteError extends Error {
  override readonly name = "PrerequisiteError";
}

const COMMANDS: Readonly<Record<string, string>> = {
  ip: "iproute2",
  "iptables-restore": "iptables",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  pivot_root: "util-linux",
  umount: "mount",
};

/** What gives `unshare` a user namespace with all the ids of /etc/subuid and /etc/subgid. */
const MANY_USERS = ["--user", "--map-root-user", "--map-auto"];
const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** How the playground can stand on this machine. PrerequisiteError when it cannot. */
export async function findFooting(machine: Machine): Promise<Footing> {
  requireCommands(machine);
  if (machine.uid === 0 && hasCapabilities()) return { userArguments: [], isRoot: true };
  await requireUserNamespaces(machine);
  await requireIdMaps(machine);
  return { userArguments: MANY_USERS, isRoot: false };
}

function requireCommands(machine: Machine): void {
  const missing = Object.keys(COMMANDS).filter((name) => !find(name, machine));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => COMMANDS[name]!))];
  throw new PrerequisiteError(
    `The playground needs ${missing.join(", ")}, not found on PATH: install ${packages.join(" ")} (on Debian and Ubuntu: apt-get install ${packages.join(" ")})`,
  );
}

function hasCapabilities(): boolean {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const effective = BigInt(`0x${hex}`);
  return [CAP_NET_ADMIN, CAP_SYS_ADMIN].every((bit) => (effective >> bit) & 1n);
}

async function requireUserNamespaces(machine: Machine): Promise<void> {
  const said = await tryUnshare(machine, ["--user", "--map-root-user", "--net", "--mount"]);
  if (said === undefined) return;
  const who =
    machine.uid === 0
      ? "This root has no CAP_SYS_ADMIN (a container?) and user namespaces do not work"
      : "User namespaces do not work for this user";
  const forbidding = FORBIDDING.find(
    ({ name, value }) => readTextIfThere(`/proc/sys/${name.replace(".", "/")}`)?.trim() === value,
  );
  if (!forbidding)
    throw new PrerequisiteError(`${who} (${said}): run as root, or in a container started with --privileged`);
  const { name, value, wanted } = forbidding;
  throw new PrerequisiteError(`${who} (${name} is ${value}): run \`sysctl ${name}=${wanted}\` as root`);
}

/** Settings that forbid user namespaces. The kernel says only "no space left" or "not permitted". */
const FORBIDDING = [
  { name: "user.max_user_namespaces", value: "0", wanted: "10000" },
  { name: "kernel.unprivileged_userns_clone", value: "0", wanted: "1" }, // Debian's
  { name: "kernel.apparmor_restrict_unprivileged_userns", value: "1", wanted: "0" }, // Ubuntu's
];

/** Pods run under several user ids, which only newuidmap can give to an ordinary user. */
async function requireIdMaps(machine: Machine): Promise<void> {
  const missing = ["newuidmap", "newgidmap"].filter((name) => !find(name, machine));
  if (missing.length > 0)
    throw new PrerequisiteError(
      `Without root the playground needs ${missing.join(" and ")} for the pods' user ids: install the package uidmap (on Debian and Ubuntu: apt-get install uidmap)`,
    );
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const lines = (readTextIfThere(file) ?? "").split("\n");
    const owners = lines.map((line) => line.split(":")[0]);
    if (!owners.includes(machine.userName) && !owners.includes(String(machine.uid)))
      throw new PrerequisiteError(
        `User ${machine.userName} has no range of user ids in ${file}: run \`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${machine.userName}\` as root`,
      );
  }
  const said = await tryUnshare(machine, MANY_USERS);
  if (said !== undefined)
    throw new PrerequisiteError(
      `The ids that /etc/subuid has for user ${machine.userName} cannot be used (${said}): newuidmap and newgidmap must belong to root and be set-user-id; reinstall the package uidmap (on Debian and Ubuntu: apt-get install --reinstall uidmap)`,
    );
}

/** Enters such namespaces and leaves them. Returns what `unshare` said when it could not. */
async function tryUnshare(machine: Machine, kinds: readonly string[]): Promise<string | undefined> {
  const tried = Bun.spawn([find("unshare", machine)!, ...kinds, "true"], {
    env: machine.env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const [code, said] = await Promise.all([tried.exited, new Response(tried.stderr).text()]);
  return code === 0 ? undefined : said.trim().replaceAll("\n", "; ");
}

/** Full path of a command, for this machine's environment. */
export function find(name: string, machine: Pick<Machine, "env">): string | undefined {
  return Bun.which(name, { PATH: machine.env["PATH"] ?? "" }) ?? undefined;
}

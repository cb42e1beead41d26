import type { Container, Pod } from "#kube/types";
import { ConfigError } from "./environment.ts";

/** Who a container's process is and what it may do. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Capability names in lower case without `cap_`; root has them effective, others as ambient ones. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly isReadOnly: boolean;
}

/** What container runtimes leave a container unless told otherwise. */
const DEFAULT_CAPABILITIES = [
  "chown",
  "dac_override",
  "fowner",
  "fsetid",
  "kill",
  "setgid",
  "setuid",
  "setpcap",
  "net_bind_service",
  "net_raw",
  "sys_chroot",
  "mknod",
  "audit_write",
  "setfcap",
];
const ALL_CAPABILITIES = [
  ...DEFAULT_CAPABILITIES,
  "net_admin",
  "sys_admin",
  "sys_ptrace",
  "sys_time",
  "ipc_lock",
  "sys_nice",
  "sys_resource",
];

/** The container's security context over the pod's over the image's. ConfigError when it contradicts itself. */
export function identityOf(pod: Pod, container: Container, imageUser: number | undefined): Identity {
  const own = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  const uid = own.runAsUser ?? shared.runAsUser ?? imageUser ?? 0;
  if ((own.runAsNonRoot ?? shared.runAsNonRoot) && uid === 0)
    throw new ConfigError("container has runAsNonRoot and image will run as root");
  return {
    uid,
    gid: own.runAsGroup ?? shared.runAsGroup ?? (uid === 0 ? 0 : uid),
    capabilities: capabilitiesOf(own, uid),
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    isReadOnly: own.readOnlyRootFilesystem === true,
  };
}

function capabilitiesOf(own: NonNullable<Container["securityContext"]>, uid: number): string[] {
  if (own.privileged) return ALL_CAPABILITIES;
  const names = (list: readonly string[] = []): string[] => list.map((name) => name.toLowerCase().replace(/^cap_/, ""));
  const drop = names(own.capabilities?.drop);
  const add = names(own.capabilities?.add);
  const kept = uid !== 0 || drop.includes("all") ? [] : DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name));
  return [...new Set([...kept, ...(add.includes("all") ? ALL_CAPABILITIES : add)])];
}

/** `setpriv` with the arguments that make a process this identity; the command follows. */
export function setprivArguments(identity: Identity): string[] {
  const caps = identity.capabilities.map((name) => `+${name}`);
  const isRoot = identity.uid === 0;
  // Root's capabilities come from the bounding set at exec. Others get theirs as ambient ones: the images of clusters
  // give files capabilities for that, which a folder of this machine cannot have.
  const bounding = ["--bounding-set", ["-all", ...caps].join(",")];
  const ambient = isRoot
    ? []
    : ["--inh-caps", ["-all", ...caps].join(","), "--ambient-caps", ["-all", ...caps].join(",")];
  return [
    "setpriv",
    ...["--reuid", String(identity.uid), "--regid", String(identity.gid), "--clear-groups"],
    ...bounding,
    ...ambient,
    ...(identity.noNewPrivileges ? ["--no-new-privs"] : []),
    "--",
  ];
}

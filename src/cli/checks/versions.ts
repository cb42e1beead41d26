import { VERSION } from "#contracts/version";
import { isOver, isProxyReady, meshedPods, proxyVersion } from "../pods.ts";
import { type Category, type Check, SkipCheck } from "./engine.ts";
import type { Facts } from "./facts.ts";

export interface VersionOptions {
  /** What everything should run; without it there is nothing to be up to date with, for nobody is asked over the network. */
  readonly expected: string | undefined;
  /** What this executable claims to be. */
  readonly cli: string | undefined;
}

/** Whether this executable is the version that is wanted. */
export function cliVersion(options: VersionOptions): Category {
  const own = options.cli ?? VERSION;
  return {
    id: "linkerd-version",
    checks: [
      {
        description: "can determine the latest version",
        hint: "l5d-version-latest",
        warning: true,
        run: async () => void wanted(options),
      },
      {
        description: "cli is up-to-date",
        hint: "l5d-version-cli",
        warning: true,
        run: async () => requireVersion(own, wanted(options)),
      },
    ],
  };
}

function wanted({ expected }: VersionOptions): string {
  if (!expected) throw new SkipCheck();
  return expected;
}

function requireVersion(actual: string, expected: string): void {
  const channel = (version: string) => version.split("-")[0];
  if (channel(actual) !== channel(expected))
    throw new Error(`mismatched channels: running ${actual} but retrieved ${expected}`);
  if (actual !== expected)
    throw new Error(`is running version ${actual} but the latest ${channel(expected)} version is ${expected}`);
}

export function controlPlaneVersion(facts: Facts, options: VersionOptions): Category {
  const own = options.cli ?? VERSION;
  const running = async () => (await facts.values()).linkerdVersion;
  return {
    id: "control-plane-version",
    checks: [
      {
        description: "can retrieve the control plane version",
        hint: "l5d-version-control",
        fatal: true,
        retry: true,
        run: async () => void (await running()),
      },
      {
        description: "control plane is up-to-date",
        hint: "l5d-version-control",
        warning: true,
        run: async () => requireVersion(await running(), wanted(options)),
      },
      {
        description: "control plane and cli versions match",
        hint: "l5d-version-control",
        warning: true,
        run: async () => {
          const version = await running();
          if (version !== own) throw new Error(`control plane running ${version} but cli running ${own}`);
        },
      },
    ],
  };
}

export function controlPlaneProxies(facts: Facts, options: VersionOptions): Category {
  const pods = async () => meshedPods(await facts.client(), facts.namespace, facts.namespace);
  return {
    id: "linkerd-control-plane-proxy",
    checks: [
      {
        description: "control plane proxies are healthy",
        hint: "l5d-cp-proxy-healthy",
        fatal: true,
        retry: true,
        run: async () => requireReady(await pods(), facts.namespace),
      },
      ...proxyVersions("control plane proxies", ["l5d-cp-proxy-version", "l5d-cp-proxy-cli-version"], pods, options),
    ],
  };
}

type Pods = Awaited<ReturnType<typeof meshedPods>>;

/** Every pod that should still run has a proxy that is ready. */
export function requireReady(pods: Pods, namespace: string): void {
  if (pods.length === 0) {
    throw new Error(`no "linkerd-proxy" containers found${namespace ? ` in the "${namespace}" namespace` : ""}`);
  }
  for (const pod of pods.filter((one) => !isOver(one))) {
    const { name } = pod.metadata;
    if (pod.status?.phase !== "Running") throw new Error(`pod "${name}" status is ${pod.status?.phase ?? "unknown"}`);
    if (!isProxyReady(pod)) throw new Error(`container "linkerd-proxy" in pod "${name}" is not ready`);
  }
}

/** Two checks: proxies run the wanted version, and the same as this executable. */
export function proxyVersions(
  what: string,
  [latestHint, cliHint]: readonly [string, string],
  pods: () => Promise<Pods>,
  options: VersionOptions,
): Check[] {
  const plural = what.endsWith("s");
  const compare = async (expected: string, heading: string) => {
    const off = (await pods()).filter((pod) => proxyVersion(pod) !== expected);
    const lines = off.map((pod) => `\t* ${pod.metadata.name} (${proxyVersion(pod) ?? "unknown"})`);
    if (lines.length > 0) throw new Error(`${heading}\n${lines.join("\n")}`);
  };
  return [
    {
      description: `${what} ${plural ? "are" : "is"} up-to-date`,
      hint: latestHint,
      warning: true,
      run: () => compare(wanted(options), "some proxies are not running the current version:"),
    },
    {
      description: `${what} and cli versions match`,
      hint: cliHint,
      warning: true,
      run: () =>
        compare(options.cli ?? VERSION, `some proxies run another version than the cli (${options.cli ?? VERSION}):`),
    },
  ];
}

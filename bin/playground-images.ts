/** The images a playground knows: the product's own programs, shown in containers under /opt/linkerd. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Image, type ImageTable, imageName } from "#playground";

export interface ImageSources {
  /** The running executable: the product itself, or Bun. */
  readonly executable: string;
  /** The script Bun runs, when it is Bun. */
  readonly script: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

const HOME = "/opt/linkerd";

/** Image name → the program's words. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  "linkerd-ts/proxy": ["proxy"],
  "linkerd-ts/controller": ["controller"],
  "linkerd-ts/policy-controller": ["controller", "policy"],
  "linkerd-ts/proxy-init": ["network-init"],
  "linkerd-ts/network-validator": ["network-validator"],
  "linkerd-ts/metrics-api": ["viz", "metrics-api"],
  "linkerd-ts/tap": ["viz", "tap"],
  "linkerd-ts/web": ["viz", "web"],
  "linkerd-ts/cli": [],
};

/** Commands that manifests name by their path in Linkerd's own images. */
const COMMANDS: Readonly<Record<string, string>> = {
  "/usr/lib/linkerd/linkerd2-proxy-init": "network-init",
  "/usr/lib/linkerd/linkerd2-network-validator": "network-validator",
  "/usr/lib/linkerd/linkerd-await": "await",
};

export function imagesOf(sources: ImageSources): ImageTable {
  const program = programOf(sources);
  const voting = votingOf(sources);
  return (reference) => {
    const name = imageName(reference);
    const words = PROGRAMS[name];
    if (words) return { ...program, entrypoint: [...program.entrypoint, ...words] };
    return name === "linkerd-ts/voting" ? voting : undefined;
  };
}

function programOf({ executable, script }: ImageSources): Image {
  const run = script ? [`${HOME}/bun`, `${HOME}/source/bin/main.ts`] : [`${HOME}/linkerd`];
  const clone = script && dirname(dirname(script));
  const texts = Object.entries(COMMANDS).map(([path, word]) => [
    path,
    `#!/bin/sh\nexec ${run.join(" ")} ${word} "$@"\n`,
  ]);
  return {
    entrypoint: run,
    files: clone ? { [`${HOME}/bun`]: executable, [`${HOME}/source`]: clone } : { [`${HOME}/linkerd`]: executable },
    texts: Object.fromEntries(texts),
  };
}

/**
 * The sample application runs on stock parts, not on ours: LINKERD_VOTING names its script or executable (default: what
 * the build put beside the executable, else the clone's source). The product's executable can be Bun itself when told so.
 */
function votingOf({ executable, script, env }: ImageSources): Image | undefined {
  const clone = dirname(dirname(script ?? executable));
  const file = env["LINKERD_VOTING"] ?? builtVoting(executable) ?? join(clone, "examples", "voting", "main.ts");
  if (!existsSync(file)) return undefined;
  if (!/\.[cm]?[jt]s$/.test(file)) return { entrypoint: [`${HOME}/voting`], files: { [`${HOME}/voting`]: file } };
  const isSourceInClone = file.startsWith(`${clone}/`) && file.endsWith("ts"); // its packages are in the clone
  const source = isSourceInClone ? clone : dirname(file);
  return {
    entrypoint: [`${HOME}/bun`, `${HOME}/source${file.slice(source.length)}`],
    files: { [`${HOME}/bun`]: executable, [`${HOME}/source`]: source },
    env: script ? {} : { BUN_BE_BUN: "1" },
  };
}

function builtVoting(executable: string): string | undefined {
  const file = join(dirname(executable), "voting", "main.js");
  return existsSync(file) ? file : undefined;
}

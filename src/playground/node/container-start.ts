import type { Pod } from "#kube/types";
import { ContainerProcess, type Mount } from "./container-process.ts";
import type { ContainerRecord } from "./container-record.ts";
import { ConfigError, environmentOf } from "./environment.ts";
import { expand } from "./expansion.ts";
import type { Image } from "./image.ts";
import type { NodeContext } from "./node-context.ts";
import { hostnameOf, podTexts } from "./pod-files.ts";
import type { PodVolumes } from "./pod-volumes.ts";
import { identityOf } from "./security.ts";

/** The image is not in the table and the container names no command of its own. */
export class ImageError extends Error {
  override readonly name = "ImageError";
}

export interface StartInput {
  readonly pod: Pod;
  readonly record: ContainerRecord;
  readonly volumes: PodVolumes;
  readonly netns: string;
  readonly podIp: string;
}

const TERMINATION_PATH = "/dev/termination-log";

/** Starts one run of a container. ImageError, ConfigError or StartError when it cannot be. */
export function startContainer(context: NodeContext, input: StartInput): ContainerProcess {
  const { pod, record, volumes, podIp } = input;
  const { spec } = record;
  const image = imageOf(context, record);
  const env = environmentOf({ pod, container: spec, podIp, imageEnv: image.env ?? {}, read: context.read });
  const identity = identityOf(pod, spec, image.user);
  if (!env.has("HOME")) env.set("HOME", identity.uid === 0 ? "/root" : "/");
  const plan = {
    netns: input.netns,
    hostname: hostnameOf(pod),
    home: `${context.home}/containers/${record.containerId}`,
    command: commandOf(record, image).map((word) => expand(word, env)),
    env,
    workdir: spec.workingDir ?? image.workdir ?? "/",
    identity,
    mounts: [...imageMounts(image), ...volumes.mountsOf(spec, env), terminationMount(record, volumes)],
    texts: { ...context.containerTexts, ...image.texts, ...podTexts(pod, podIp) },
    isRootNode: context.isRoot,
    usrLayers: context.usrLayers,
    hasStdin: spec.stdin === true,
  };
  return new ContainerProcess(plan, record.log, () => context.clock.wallMs(), context.env);
}

function imageOf(context: NodeContext, record: ContainerRecord): Image {
  const reference = record.spec.image ?? "";
  const known = context.images(reference);
  if (known) return known;
  if ((record.spec.command ?? []).length > 0) return { entrypoint: [] };
  throw new ImageError(
    `Image "${reference}" is not one the playground has, and it pulls none: give the container a "command:" of this machine, or use a real cluster`,
  );
}

function commandOf(record: ContainerRecord, image: Image): string[] {
  const { command = [], args = [] } = record.spec;
  const words = [...(command.length > 0 ? command : image.entrypoint), ...args];
  if (words.length === 0) throw new ConfigError("no command specified");
  return words;
}

function imageMounts(image: Image): Mount[] {
  return Object.entries(image.files ?? {}).map(([target, source]) => ({ source, target, isReadOnly: true }));
}

function terminationMount(record: ContainerRecord, volumes: PodVolumes): Mount {
  const target = record.spec.terminationMessagePath ?? TERMINATION_PATH;
  return { source: volumes.terminationFile(record.spec.name), target, isReadOnly: false };
}

/** What a container runs when its image is known: files of this machine, shown inside, and an entry point. */
export interface Image {
  /** The command when the container names none; its first word is a path inside the container or a name on PATH. */
  readonly entrypoint: readonly string[];
  /** Path in the container → file or folder of this machine, shown there read-only. */
  readonly files?: Readonly<Record<string, string>>;
  /** Path in the container → content written there; scripts (`#!`) may be run. */
  readonly texts?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  /** User id when the pod does not say. */
  readonly user?: number;
}

/** Finds an image by its full reference; undefined when it is not in the table. */
export type ImageTable = (reference: string) => Image | undefined;

/** A reference without registry digest and tag: `linkerd-ts/proxy:v1` → `linkerd-ts/proxy`. */
export function imageName(reference: string): string {
  const withoutDigest = reference.split("@")[0]!;
  const colon = withoutDigest.lastIndexOf(":");
  return colon > withoutDigest.lastIndexOf("/") ? withoutDigest.slice(0, colon) : withoutDigest;
}

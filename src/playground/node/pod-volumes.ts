/** The volumes of one pod: made when it starts, kept in step with the objects they show, taken away at its end. */
import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Container, Pod, Volume } from "#kube/types";
import type { Clock, Timer } from "#lib/clock";
import type { Mount } from "./container-process.ts";
import { ConfigError, type DataReader } from "./environment.ts";
import { expand } from "./expansion.ts";
import { resolveInRoot } from "./root-path.ts";
import {
  closeVolume,
  isContentVolume,
  openVolume,
  publishFiles,
  type TokenRequest,
  tokensOf,
  volumeFiles,
} from "./volumes.ts";

/** A token as the API server issued it. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

export type TokenIssuer = (pod: Pod, request: TokenRequest) => Promise<IssuedToken>;

const REFRESH_AT = 0.8; // share of a token's life after which it is replaced, as kubelets do
const RETRY_MS = 1_000;
const MIN_REFRESH_MS = 1_000;

export class PodVolumes {
  readonly #home: string;
  readonly #clock: Clock;
  readonly #read: DataReader;
  readonly #issue: TokenIssuer;
  readonly #digests = new Map<string, string>();
  readonly #opened = new Set<string>();
  readonly #tokens = new Map<string, string>();
  readonly #timers = new Map<string, Timer>();
  #pod: Pod;
  #podIp = "";
  #isClosed = false;

  constructor(home: string, pod: Pod, clock: Clock, read: DataReader, issue: TokenIssuer) {
    this.#home = home;
    this.#pod = pod;
    this.#clock = clock;
    this.#read = read;
    this.#issue = issue;
  }

  /** Makes every volume with its first content. ConfigError when something they show is missing. */
  async open(podIp: string): Promise<void> {
    this.#podIp = podIp;
    for (const volume of this.#pod.spec?.volumes ?? []) this.#openOne(volume);
    await Promise.all(tokensOf(this.#pod).map((request) => this.#obtain(request)));
    this.#publishAll();
  }

  /** An object (or the pod's own labels) changed: show it. Missing objects leave the last content in place. */
  refresh(pod: Pod): void {
    this.#pod = pod;
    try {
      this.#publishAll();
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
    }
  }

  /** What a container sees of the volumes. */
  mountsOf(container: Container, env: ReadonlyMap<string, string>): Mount[] {
    return (container.volumeMounts ?? []).map((mount) => {
      const volume = this.#pod.spec?.volumes?.find((candidate) => candidate.name === mount.name);
      if (!volume) throw new ConfigError(`Cannot mount "${mount.name}": the pod has no such volume`);
      const subPath = mount.subPathExpr ? expand(mount.subPathExpr, env) : mount.subPath;
      const source = this.#source(volume, subPath);
      return { source, target: mount.mountPath, isReadOnly: mount.readOnly === true || isContentVolume(volume) };
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) timer.cancel();
    for (const name of this.#opened) closeVolume(this.#folder(name));
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** A file that a container may write its last words to. */
  terminationFile(container: string): string {
    const path = this.terminationPath(container);
    mkdirSync(this.#home, { recursive: true });
    writeFileSync(path, "");
    chmodSync(path, 0o666); // whatever user the container runs as
    return path;
  }

  terminationPath(container: string): string {
    return join(this.#home, `termination-${container}`);
  }

  #openOne(volume: Volume): void {
    if (this.#opened.has(volume.name)) return;
    openVolume(volume, this.#folder(volume.name));
    this.#opened.add(volume.name);
  }

  #source(volume: Volume, subPath: string | undefined): string {
    const folder = this.#folder(volume.name);
    if (!subPath) return folder;
    const at = resolveInRoot(folder, subPath);
    if (!statSync(at, { throwIfNoEntry: false })) mkdirSync(at, { recursive: true });
    return at;
  }

  #publishAll(): void {
    for (const volume of this.#pod.spec?.volumes ?? []) {
      if (!isContentVolume(volume) || !this.#opened.has(volume.name)) continue;
      const files = volumeFiles(volume, {
        pod: this.#pod,
        podIp: this.#podIp,
        read: this.#read,
        token: (request) => this.#tokens.get(tokenKey(request)) ?? "",
      });
      const digest = publishFiles(this.#folder(volume.name), files, this.#digests.get(volume.name));
      if (digest !== false) this.#digests.set(volume.name, digest);
    }
  }

  /** Gets a token and sees to its successor. */
  async #obtain(request: TokenRequest): Promise<void> {
    const issued = await this.#issue(this.#pod, request);
    if (this.#isClosed) return;
    this.#tokens.set(tokenKey(request), issued.token);
    const lifeMs = issued.expiresAtMs - this.#clock.wallMs();
    this.#later(request, Math.max(MIN_REFRESH_MS, lifeMs * REFRESH_AT));
  }

  #later(request: TokenRequest, afterMs: number): void {
    const timer = this.#clock.schedule(afterMs, () => {
      void this.#obtain(request).then(
        () => this.#isClosed || this.refresh(this.#pod),
        () => this.#isClosed || this.#later(request, RETRY_MS),
      );
    });
    this.#timers.set(tokenKey(request), timer);
  }

  #folder(name: string): string {
    return join(this.#home, "volumes", name);
  }
}

function tokenKey(request: TokenRequest): string {
  return `${request.audience ?? ""} ${request.expirationSeconds}`;
}

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod } from "#kube/types";
import { FakeClock } from "#lib/clock";
import type { DataReader } from "./environment.ts";
import { PodVolumes } from "./pod-volumes.ts";

const home = mkdtempSync(join(tmpdir(), "linkerd-ts-volumes-"));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const pod = {
  metadata: { name: "p", namespace: "default", uid: "u" },
  spec: {
    containers: [],
    volumes: [
      {
        name: "token",
        projected: {
          sources: [{ serviceAccountToken: { path: "t", audience: "identity.l5d.io", expirationSeconds: 1000 } }],
        },
      },
      { name: "conf", configMap: { name: "c" } },
    ],
  },
} as unknown as Pod;

test("a projected token is replaced at four fifths of its life, and a failed attempt is repeated", async () => {
  const clock = new FakeClock();
  const asked: number[] = [];
  let isDown = false;
  const issue = async () => {
    asked.push(clock.wallMs());
    if (isDown) throw new Error("the API is away");
    return { token: `token-${asked.length}`, expiresAtMs: clock.wallMs() + 1_000_000 };
  };
  const volumes = new PodVolumes(home, pod, clock, () => new Map(), issue);
  await volumes.open("10.0.0.1");
  const read = (): string => readFileSync(join(home, "volumes", "token", "t"), "utf8");
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  expect(read()).toBe("token-1");
  clock.advance(799_999);
  await settle();
  expect(read()).toBe("token-1");
  isDown = true;
  clock.advance(1);
  await settle();
  expect(read()).toBe("token-1");
  isDown = false;
  clock.advance(1_000);
  await settle();
  expect(read()).toBe("token-3");
  expect(asked).toEqual([0, 800_000, 801_000]);
  volumes.close();
  clock.advance(10_000_000);
  expect(asked).toHaveLength(3);
});

test("a content volume is swapped in one step, and a vanished object leaves the last content", async () => {
  let data: Map<string, Uint8Array> | undefined = new Map([
    ["a", Buffer.from("1")],
    ["b", Buffer.from("1")],
  ]);
  const read: DataReader = (kind) => (kind === "ConfigMap" ? data : new Map());
  const volumes = new PodVolumes(home, pod, new FakeClock(), read, async () => ({ token: "t", expiresAtMs: 1e9 }));
  await volumes.open("10.0.0.1");
  const folder = join(home, "volumes", "conf");
  const first = readlinkSync(join(folder, "..data"));
  data = new Map([["a", Buffer.from("2")]]);
  volumes.refresh(pod);
  expect(readlinkSync(join(folder, "..data"))).not.toBe(first);
  expect(readFileSync(join(folder, "a"), "utf8")).toBe("2");
  expect(() => readFileSync(join(folder, "b"))).toThrow();
  data = undefined;
  volumes.refresh(pod);
  expect(readFileSync(join(folder, "a"), "utf8")).toBe("2");
  volumes.close();
});

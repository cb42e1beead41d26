import { expect, test } from "bun:test";
import { builtinSchema } from "../../schema/builtin.ts";
import type { KubeObject } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";
import { applyConfig, type ManagedEntry, trackUpdate } from "./apply.ts";
import { pathsOf } from "./field-set.ts";
import { applyJsonPatch } from "./json.ts";
import { mergePatch } from "./merge.ts";
import { strategicMerge } from "./strategic.ts";

const DEPLOYMENT = builtinSchema("apps", "v1", "Deployment");
const SERVICE = builtinSchema("", "v1", "Service");

test("`mergePatch()` removes nulls, merges objects and replaces lists (RFC 7386)", () => {
  expect(mergePatch({ a: 1, b: { c: 2, d: 3 }, e: [1] }, { b: { c: null }, e: [2, 3], f: "x" })).toEqual({
    a: 1,
    b: { d: 3 },
    e: [2, 3],
    f: "x",
  });
  expect(mergePatch({ a: 1 }, JSON.parse('{"__proto__":{"bad":1}}'))).toEqual({ a: 1 });
});

test("`applyJsonPatch()` refuses what does not fit and leaves the target alone", () => {
  const target = { a: [1, 2], b: "x" };
  expect(
    applyJsonPatch(target, [
      { op: "add", path: "/a/1", value: 9 },
      { op: "remove", path: "/b" },
    ]),
  ).toEqual({ a: [1, 9, 2] } as never);
  expect(target).toEqual({ a: [1, 2], b: "x" });
  for (const patch of [
    [{ op: "remove", path: "/none" }],
    [{ op: "add", path: "/a/7", value: 1 }],
    [{ op: "test", path: "/b", value: "y" }],
    [{ op: "odd", path: "/b" }],
    [{ op: "add", path: "/__proto__/x", value: 1 }],
    { op: "add" },
  ])
    expect(() => applyJsonPatch(target, patch)).toThrow(StatusError);
});

const pod = (containers: object[]) => ({ spec: { template: { spec: { containers } } } });
const containersOf = (object: unknown) => (object as ReturnType<typeof pod>).spec.template.spec.containers;

test("`strategicMerge()` merges lists by their key", () => {
  const target = pod([{ name: "a", image: "1", env: [{ name: "X", value: "1" }] }, { name: "b" }]);
  const patch = pod([{ name: "a", env: [{ name: "Y", value: "2" }] }, { name: "c" }]);
  expect(containersOf(strategicMerge(target, patch, DEPLOYMENT))).toEqual([
    {
      name: "a",
      image: "1",
      env: [
        { name: "X", value: "1" },
        { name: "Y", value: "2" },
      ],
    },
    { name: "b" },
    { name: "c" },
  ]);
});

test("`strategicMerge()` obeys $patch, $setElementOrder, $deleteFromPrimitiveList and $retainKeys", () => {
  const target = pod([{ name: "a" }, { name: "b" }, { name: "c" }]);
  const removed = strategicMerge(target, pod([{ name: "b", $patch: "delete" }]), DEPLOYMENT);
  expect(containersOf(removed)).toEqual([{ name: "a" }, { name: "c" }]);
  const replaced = strategicMerge(target, pod([{ name: "z" }, { $patch: "replace" }]), DEPLOYMENT);
  expect(containersOf(replaced)).toEqual([{ name: "z" }]);
  const order = {
    spec: { template: { spec: { "$setElementOrder/containers": [{ name: "c" }, { name: "a" }, { name: "b" }] } } },
  };
  expect(containersOf(strategicMerge(target, order, DEPLOYMENT))).toEqual([
    { name: "c" },
    { name: "a" },
    { name: "b" },
  ]);
  const finalizers = { metadata: { finalizers: ["x", "y"] } };
  expect(
    strategicMerge(
      finalizers,
      { metadata: { "$deleteFromPrimitiveList/finalizers": ["x"], finalizers: ["z"] } },
      DEPLOYMENT,
    ),
  ).toEqual({
    metadata: { finalizers: ["y", "z"] },
  });
  const strategy = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
  expect(
    strategicMerge(strategy, { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } }, DEPLOYMENT),
  ).toEqual({
    spec: { strategy: { type: "Recreate" } },
  });
});

test("`strategicMerge()` refuses keyed items without their key", () => {
  expect(() => strategicMerge(pod([{ name: "a" }]), pod([{ image: "x" }]), DEPLOYMENT)).toThrow(
    "does not contain declared merge key: name",
  );
});

const by = (name: string) => ({ name, apiVersion: "v1", time: "2026-01-01T00:00:00Z" });
const service = (ports: object[], more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "s" },
  spec: { ports, ...more },
});
const managers = (object: KubeObject) =>
  ((object.metadata.managedFields ?? []) as unknown as ManagedEntry[]).map((entry) => [
    entry.manager,
    entry.operation,
    pathsOf(entry.fieldsV1),
  ]);

test("an apply owns what it sets, item by item, and never its identity", () => {
  const live = applyConfig(undefined, service([{ port: 80, name: "a" }]), SERVICE, by("one"), false);
  expect(managers(live)).toEqual([
    [
      "one",
      "Apply",
      [
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].port',
        '.spec.ports[port=80,protocol="TCP"].name',
      ],
    ],
  ]);
});

test("two appliers share a list; what one drops goes unless the other has it", () => {
  let live = applyConfig(undefined, service([{ port: 80 }, { port: 81 }]), SERVICE, by("one"), false);
  live = applyConfig(live, service([{ port: 81 }, { port: 82 }]), SERVICE, by("two"), false);
  live = applyConfig(live, service([{ port: 80 }]), SERVICE, by("one"), false);
  expect((live["spec"] as { ports: { port: number }[] }).ports.map((port) => port.port)).toEqual([80, 81, 82]);
  live = applyConfig(live, service([{ port: 82 }]), SERVICE, by("two"), false);
  expect((live["spec"] as { ports: { port: number }[] }).ports.map((port) => port.port)).toEqual([80, 82]);
});

test("changing another's value conflicts, naming it; the same value is shared; force takes it", () => {
  const first = service([], { type: "ClusterIP" });
  const live = trackUpdate(undefined, first, SERVICE, by("editor"));
  const same = applyConfig(live, first, SERVICE, by("one"), false);
  expect(managers(same).map(([name]) => name)).toEqual(["editor", "one"]);
  const wanted = service([], { type: "NodePort" });
  let conflict: StatusError | undefined;
  try {
    applyConfig(live, wanted, SERVICE, by("one"), false);
  } catch (thrown) {
    conflict = thrown as StatusError;
  }
  expect([conflict?.code, conflict?.details?.causes]).toEqual([
    409,
    [{ reason: "FieldManagerConflict", message: 'conflict with "editor" using v1', field: ".spec.type" }],
  ]);
  const forced = applyConfig(live, wanted, SERVICE, by("one"), true);
  expect((forced["spec"] as { type: string }).type).toBe("NodePort");
  expect(managers(forced)).toEqual([
    ["editor", "Update", [".spec.ports"]],
    ["one", "Apply", [".spec.ports", ".spec.type"]],
  ]);
});

test("a plain write takes over the fields it changes and leaves the rest where they are", () => {
  const applied = applyConfig(
    undefined,
    service([], { type: "ClusterIP", externalName: "x" }),
    SERVICE,
    by("one"),
    false,
  );
  const after = trackUpdate(
    applied,
    { ...applied, spec: { ports: [], type: "NodePort", externalName: "x" } },
    SERVICE,
    by("editor"),
  );
  expect(managers(after)).toEqual([
    ["one", "Apply", [".spec.ports", ".spec.externalName"]],
    ["editor", "Update", [".spec.type"]],
  ]);
});

/**
 * The rooms and the arrows between them. This table is the one list; a missing entry is a forbidden import.
 * Tests may import anything; `bin/` may import every door; no room imports `bin/`.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const root = dirname(import.meta.dir);
const doors: Record<string, string> = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).imports;

const rooms: Record<string, readonly string[]> = {
  lib: [],
  wire: ["lib", "contracts"], // contracts: the transport header's protobuf
  contracts: ["lib"],
  net: ["lib", "wire"],
  kube: ["lib", "net"],
  proxy: ["lib", "wire", "net", "contracts"], // never kube, never controlplane
  network: ["lib", "contracts"],
  manifests: ["lib", "contracts", "#kube/types"],
  controlplane: ["lib", "net", "contracts", "kube", "manifests", "#x509"],
  cli: ["lib", "net", "contracts", "kube", "manifests", "#x509"],
  viz: ["lib", "net", "contracts", "kube", "manifests", "#cli/extension"],
  multicluster: ["lib", "net", "contracts", "kube", "manifests", "#cli/extension"],
  playground: ["lib", "wire", "net", "#kube/types"], // a small Kubernetes that never heard of a mesh
};

/** Powers that stay in few rooms, each with the reason a stranger can act on. */
const powers: { name: string; pattern: RegExp; allowed: readonly RegExp[]; because: string }[] = [
  {
    name: "sockets",
    pattern: /\bBun\.(listen|connect|serve|udpSocket)\b|from "node:(net|tls|http|https|http2|dgram)"/,
    allowed: [/^net\//, /^playground\//, /^viz\/web\//, /^controlplane\/serve\//, /^kube\//],
    because:
      "sockets are opened in net/ (and by the playground's and webhooks' own servers), so that limits and TLS are set in one place",
  },
  {
    name: "processes",
    pattern: /\bBun\.spawn(Sync)?\b|from "node:child_process"/,
    allowed: [/^playground\//, /^network\//, /^cli\//, /^kube\//],
    because:
      "processes are started by the playground's node agent, network-init, the command line and kubeconfig credential plug-ins",
  },
  {
    name: "environment",
    pattern: /\bprocess\.env\b|\bBun\.env\b/,
    allowed: [/^cli\//],
    because: "environment variables are read in bin/ and cli/ and handed down, so that rooms can be tested",
  },
  {
    name: "chance",
    pattern: /\bMath\.random\b/,
    allowed: [/^lib\/random\.ts$/],
    because: "chance is an argument (lib/random.ts), so that a run can be repeated",
  },
  {
    name: "timers in the data plane",
    pattern: /\bsetTimeout\(|\bsetInterval\(|\bDate\.now\(|\bperformance\.now\(/,
    allowed: [/^(?!proxy\/|wire\/).*/],
    because: "the proxy's time comes from lib/clock.ts, so that tests own the hour and a request costs no timer",
  },
];

interface Import {
  readonly file: string; // relative to src/
  readonly spec: string;
  /** `import()`: loaded only when reached, so it closes no cycle. */
  readonly isLazy: boolean;
  /** `import type`: nothing is loaded. */
  readonly isTypeOnly: boolean;
}

function sourceFiles(): string[] {
  return [...new Bun.Glob("src/**/*.ts").scanSync(root)]
    .filter((file) => !file.includes("/gen/") && !isTest(file))
    .sort();
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts");
}

const STATIC_IMPORT = /^(?:import|export)\b[^;"']*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"/g;

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8");
  const found = (pattern: RegExp, isLazy: boolean): Import[] =>
    [...text.matchAll(pattern)].map((match) => ({
      file: relative("src", file),
      spec: match[1] ?? match[2],
      isLazy,
      isTypeOnly: /^(?:import|export)\s+type\b/.test(match[0]),
    }));
  return [...found(STATIC_IMPORT, false), ...found(DYNAMIC_IMPORT, true)];
}

const files = sourceFiles();
const imports = files.flatMap(importsOf);

/** The file, relative to src/, that a spec leads to; undefined for packages and the runtime. */
function targetFile({ file, spec }: Import): string | undefined {
  if (spec.startsWith(".")) return relative(join(root, "src"), resolve(root, "src", dirname(file), spec));
  const [name, path] =
    Object.entries(doors).find(([name]) => name === spec) ??
    Object.entries(doors).find(([name]) => name.endsWith("/*") && spec.startsWith(name.slice(0, -1))) ??
    [];
  return name && path?.replace("./src/", "").replace("*", spec.slice(name.length - 1));
}

/** The room (first folder) that a spec leads to, or undefined for packages and the runtime. */
function targetRoom(one: Import): string | undefined {
  return targetFile(one)?.split("/")[0];
}

test("arrows between rooms go only where the table says, through doors", () => {
  const wrong: string[] = [];
  for (const one of imports) {
    const from = one.file.split("/")[0];
    const to = targetRoom(one);
    if (!to || to === from) continue;
    const allowed = rooms[from] ?? [];
    if (!one.spec.startsWith("#"))
      wrong.push(`${one.file} reaches into ${to}/ by path (${one.spec}): use a door of package.json#imports`);
    else if (!allowed.includes(to) && !allowed.includes(one.spec))
      wrong.push(`${one.file} imports ${one.spec}: ${from} may import only ${allowed.join(", ")}`);
  }
  expect(wrong).toEqual([]);
});

test("siblings that must not know each other do not", () => {
  const siblings = [
    ["proxy/inbound", "proxy/outbound"],
    [
      "controlplane/identity",
      "controlplane/destination",
      "controlplane/policy",
      "controlplane/injector",
      "controlplane/sp-validator",
    ],
  ];
  const wrong: string[] = [];
  for (const { file, spec } of imports) {
    for (const group of siblings) {
      const own = group.find((folder) => file.startsWith(`${folder}/`));
      if (!own || !spec.startsWith(".")) continue;
      const target = relative(join(root, "src"), resolve(root, "src", dirname(file), spec));
      if (group.some((folder) => folder !== own && target.startsWith(`${folder}/`))) wrong.push(`${file} -> ${spec}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("powers stay in their rooms", () => {
  const wrong: string[] = [];
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
    const path = relative("src", file);
    for (const power of powers) {
      if (power.pattern.test(text) && !power.allowed.some((allowed) => allowed.test(path))) {
        wrong.push(`${path} uses ${power.name}: ${power.because}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test("no import cycle between files", () => {
  const graph = new Map<string, string[]>();
  for (const { file, spec, isLazy } of imports) {
    if (!spec.startsWith(".") || isLazy) continue;
    const target = relative(join(root, "src"), resolve(root, "src", dirname(file), spec));
    graph.set(file, [...(graph.get(file) ?? []), target]);
  }
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});

test("every door leads to a file", async () => {
  const missing: string[] = [];
  for (const [name, path] of Object.entries(doors)) {
    if (!name.includes("*") && !(await Bun.file(join(root, path)).exists())) missing.push(`${name} -> ${path}`);
  }
  expect(missing).toEqual([]);
});

test("every door's index opens with what the room does and the order in which to read it", () => {
  const indexes = Object.values(doors).filter((path) => path.endsWith("/index.ts"));
  const wrong: string[] = [];
  for (const index of indexes) {
    const head = /^\/\*\*(.*?)\*\//s.exec(readFileSync(join(root, index), "utf8"))?.[1] ?? "";
    const parts = [...new Bun.Glob("**/*.ts").scanSync(join(root, dirname(index)))].filter((file) => !isTest(file));
    if (head === "") wrong.push(`${index} opens without a comment`);
    else if (parts.length > 2 && !/Read:|Reading order/.test(head)) wrong.push(`${index} names no reading order`);
    for (const [name] of head.matchAll(/[a-z0-9][a-z0-9/-]*\.ts\b/g)) {
      if (!parts.some((part) => part === name || part.endsWith(`/${name}`))) wrong.push(`${index} names ${name}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("the data plane stands on no package but the protobuf wire format", () => {
  const wrong = imports.filter(
    ({ file, spec }) =>
      /^(proxy|wire|net)\//.test(file) &&
      !/^(wire\/x509\/(authority|certificate)\.ts|net\/grpc-|net\/admin-)/.test(file) &&
      !spec.startsWith(".") &&
      !spec.startsWith("#") &&
      !spec.startsWith("node:") &&
      !["bun", "bun:ffi", "@bufbuild/protobuf/wire"].includes(spec),
  );
  expect(wrong).toEqual([]);
});

test("the proxy loads none of the runtime's modules that cost each pod a megabyte or more", () => {
  const costly = /^(node:)?(crypto|zlib|tls|https?|http2|net|stream)(\/|$)/; // node:crypto alone: 1.2 MB and 8 ms at start
  const standardStream = /\bprocess\.std(in|out|err)\./; // loads node:stream: write by lib/stderr.ts
  const seen = new Set<string>();
  const wrong: string[] = [];
  const visit = (file: string, chain: readonly string[]): void => {
    if (seen.has(file)) return;
    seen.add(file);
    if (standardStream.test(readFileSync(join(root, file), "utf8"))) wrong.push([...chain, file].join(" -> "));
    for (const one of importsOf(file)) {
      if (one.isLazy || one.isTypeOnly) continue;
      const target = targetFile(one);
      if (target !== undefined) visit(join("src", target), [...chain, file]);
      else if (costly.test(one.spec)) wrong.push([...chain, file, one.spec].join(" -> "));
    }
  };
  visit("bin/main.ts", []);
  visit("bin/proxy.ts", []);
  expect(seen.size).toBeGreaterThan(100); // it did go through the doors
  expect(wrong).toEqual([]);
});

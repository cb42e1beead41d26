/** Documents are checked against the tree they describe. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dir);
const read = (path: string): string => readFileSync(join(root, path), "utf8");

test("every file that the README and the architecture name exists", () => {
  const missing: string[] = [];
  for (const document of ["README.md", "docs/architecture.md"]) {
    for (const [, path] of read(document).matchAll(/`((?:bin|src|test|bench|docs|examples|tools)\/[\w./-]*)`/g)) {
      if (!existsSync(join(root, path))) missing.push(`${document}: ${path}`);
    }
  }
  expect(missing).toEqual([]);
});

test("every npm command that the README names is there", () => {
  const scripts = Object.keys(JSON.parse(read("package.json")).scripts);
  const named = [
    ...read("README.md").matchAll(/npm (?:run )?(demo|test:long|test|bench|build|shell|ok|fix|generate)\b/g),
  ].map((match) => match[1]);
  expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
});

test("every decision is numbered and answers a question", () => {
  const files = readdirSync(join(root, "docs/decisions")).sort();
  expect(files.filter((file) => !/^\d{4}-[a-z0-9-]+\.md$/.test(file))).toEqual([]);
});

test("every dependency has its reason in the decisions", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json"));
  const reasons = readdirSync(join(root, "docs/decisions"))
    .map((file) => read(`docs/decisions/${file}`))
    .join("\n");
  const unexplained = Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => !reasons.includes(`\`${name}\``),
  );
  expect(unexplained).toEqual([]);
});

test("dependencies are pinned", () => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json"));
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
    ([, version]) => !/^\d/.test(version as string),
  );
  expect(loose).toEqual([]);
});

test("no file holds a download address of a package registry", () => {
  const files = Bun.spawnSync(["git", "ls-files", "-z"], { cwd: root }).stdout.toString().split("\0").filter(Boolean);
  const pattern = new RegExp(["registry", "npmjs", "org"].join("\\."));
  expect(files.filter((file) => existsSync(join(root, file)) && pattern.test(read(file)))).toEqual([]);
});

test("generated contracts are those of the .proto files", () => {
  const scratch = mkdtempSync(join(tmpdir(), "linkerd-ts-gen-"));
  try {
    const done = Bun.spawnSync(["bun", "tools/generate.ts", scratch], { cwd: root, stdout: "pipe", stderr: "pipe" });
    expect(done.exitCode).toBe(0);
    const compared = Bun.spawnSync(["diff", "-r", join(scratch, "src/contracts/gen"), "src/contracts/gen"], {
      cwd: root,
    });
    expect(compared.stdout.toString()).toBe("");
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

test("the table of errors is that of the code, statuses included", () => {
  const answers = [
    ...read("src/proxy/relay/respond.ts").matchAll(/^ {2}"?([a-z-]+)"?: \[(\d+), (\d+), (?:true|false)\]/gm),
  ];
  const inCode = answers.map(([, code, http, grpc]) => `${code} ${http} ${grpc}`).sort();
  const rows = [...read("docs/reference/errors.md").matchAll(/^\| `([a-z-]+)` \| (\d+) \| (\d+) \|/gm)];
  expect(rows.map(([, code, http, grpc]) => `${code} ${http} ${grpc}`).sort()).toEqual(inCode);
});

test("the table of ports is that of the code", async () => {
  const { PORTS } = await import("#contracts/ports");
  const rows = [...read("docs/reference/ports.md").matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(
    ([, port, name]) => `${name} ${port}`,
  );
  expect(rows.sort()).toEqual(
    Object.entries(PORTS)
      .map(([name, port]) => `${name} ${port}`)
      .sort(),
  );
});

test("every dependency is used", () => {
  const { dependencies } = JSON.parse(read("package.json"));
  const code = [...new Bun.Glob("{src,bin}/**/*.ts").scanSync(root)].map(read).join("\n");
  const unused = Object.keys(dependencies).filter((name) => !new RegExp(`["']${name}["'/]`).test(code));
  expect(unused).toEqual([]);
});

test("every command of linkerd that the pages on operating name is there", () => {
  const known = [...read("docs/reference/cli.md").matchAll(/^## (linkerd .+)$/gm)].map((match) => match[1]);
  const named = readdirSync(join(root, "docs/operating")).flatMap((file) =>
    [...read(`docs/operating/${file}`).matchAll(/`(linkerd (?:diagnostics )?[a-z-]+)/g)].map((match) => match[1]),
  );
  const hasNoSection = ["linkerd diagnostics controller-metrics"]; // it takes no flags of its own
  expect([...new Set(named)].filter((one) => !known.includes(one) && !hasNoSection.includes(one))).toEqual([]);
});

test("links between documents lead to files", () => {
  const documents = [
    ...new Bun.Glob("{README.md,CHANGELOG.md,docs/**/*.md,bench/*.md,examples/**/*.md}").scanSync(root),
  ];
  const broken = documents.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .filter(([, target]) => !existsSync(join(root, dirname(document), target)))
      .map(([, target]) => `${document}: ${target}`),
  );
  expect(broken).toEqual([]);
});

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commandTables, overview } from "../../test/support/cli-reference.ts";

const text = readFileSync(join(import.meta.dir, "../../docs/reference/cli.md"), "utf8");

test("the reference lists the commands that there are", () => {
  expect(text).toContain(overview());
});

test("the reference lists each command's flags under its heading", async () => {
  for (const { name, table } of await commandTables()) {
    const section = text.split(`## linkerd ${name}\n`)[1]?.split("\n## ")[0] ?? `(no heading "## linkerd ${name}")`;
    expect(section).toContain(table);
  }
});

import { join } from "node:path";
import { type Host, on } from "../lab/namespaces.ts";

/** Runs one of the load programs beside this file on a host and reads the JSON object it prints. */
export async function loadProgram(
  host: Host,
  file: string,
  args: readonly (string | number)[],
  before: readonly string[] = [],
): Promise<Record<string, number>> {
  const program = [process.execPath, join(import.meta.dir, file), ...args.map(String)];
  const child = Bun.spawn(on(host, [...before, ...program]), { stdout: "pipe", stderr: "pipe" });
  const [text, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${file} failed:\n${errors}`);
  return JSON.parse(text);
}

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseYamlAll } from "#lib/yaml";
import { CliError, messageOf } from "./cli-error.ts";
import type { Io } from "./io.ts";

const MAX_DOWNLOAD_BYTES = 32 * 1024 * 1024;
const DOWNLOAD_TIMEOUT_MS = 30_000;

/** A file's text. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CliError(`Cannot read "${path}": ${messageOf(cause)}`, { cause });
  }
}

/** The texts behind an argument: `-` (standard input), an HTTPS URL, a file, or every manifest under a directory. */
export async function readInput(name: string, io: Io): Promise<{ name: string; text: string }[]> {
  if (name === "-") return [{ name: "standard input", text: await io.readStdin() }];
  if (/^https?:\/\//.test(name)) return [{ name, text: await download(name) }];
  if (!isDirectory(name)) return [{ name, text: readText(name) }];
  const files = readdirSync(name, { recursive: true, encoding: "utf8" })
    .map((file) => join(name, file))
    .filter((file) => /\.(ya?ml|json)$/.test(file) && !isDirectory(file))
    .sort();
  if (files.length === 0)
    throw new CliError(`Cannot find a manifest in "${name}": wanted files that end in .yaml, .yml or .json`);
  return files.map((file) => ({ name: file, text: readText(file) }));
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw new CliError(`Cannot read "${path}": ${messageOf(cause)}`, { cause });
  }
}

async function download(url: string): Promise<string> {
  if (!url.startsWith("https://")) throw new CliError(`Cannot read "${url}": only HTTPS URLs are allowed`);
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) }).catch((cause: unknown) => {
    throw new CliError(`Cannot read "${url}": ${messageOf(cause)}`, { cause });
  });
  if (!response.ok) throw new CliError(`Cannot read "${url}": the server answered with status ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_DOWNLOAD_BYTES)
    throw new CliError(`Cannot read "${url}": longer than ${MAX_DOWNLOAD_BYTES} bytes`);
  return text;
}

/** A values file: one YAML mapping, from a file or behind an HTTPS URL. */
export async function readValuesFile(name: string, io: Io): Promise<Record<string, unknown>> {
  const text = (await readInput(name, io)).map((input) => input.text).join("\n");
  let documents: unknown[];
  try {
    documents = parseYamlAll(text);
  } catch (cause) {
    throw new CliError(`Cannot read values "${name}": ${messageOf(cause)}`, { cause });
  }
  const [values = {}] = documents;
  if (documents.length > 1 || typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new CliError(`Cannot read values "${name}": wanted one YAML mapping`);
  }
  return values as Record<string, unknown>;
}

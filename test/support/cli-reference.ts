import { Command, type Option } from "commander";
import { COMMANDS, processIo } from "#cli";
import { CliContext } from "#cli/extension";

/** Each command's flags as Markdown tables, from the code: what `docs/reference/cli.md` must contain. */
export async function commandTables(): Promise<{ name: string; table: string }[]> {
  const tables: { name: string; table: string }[] = [];
  const io = processIo();
  for (const entry of COMMANDS) {
    const command = new Command(entry.name);
    const globals = { linkerdNamespace: "linkerd", cniNamespace: "linkerd-cni", asGroup: [], verbose: false };
    const known = { commands: [], extensions: [] };
    (await entry.load()).define(command, new CliContext(io, globals), known);
    tables.push(...tablesOf(command, entry.name));
  }
  return tables;
}

/** The summary of every command, as one Markdown table. */
export function overview(): string {
  const rows = COMMANDS.map(({ name, args, aliases, summary }) => {
    const usage = `linkerd ${name}${args ? ` ${args}` : ""}`;
    return [`\`${usage}\``, aliases?.map((alias) => `\`${alias}\``).join(", ") ?? "", summary];
  });
  return markdown(["Command", "Alias", "Does"], rows);
}

function tablesOf(command: Command, name: string): { name: string; table: string }[] {
  const own = command.options.filter((option) => !option.hidden);
  const rows = own.map((option) => [
    `\`${option.flags}\``,
    defaultOf(option),
    option.description.replaceAll("|", "\\|"),
  ]);
  const table = rows.length > 0 ? [{ name, table: markdown(["Flag", "Default", "Meaning"], rows) }] : [];
  return [...table, ...command.commands.flatMap((child) => tablesOf(child, `${name} ${child.name()}`))];
}

function defaultOf({ defaultValue }: Option): string {
  return defaultValue === undefined || defaultValue === "" || defaultValue === false ? "" : `\`${defaultValue}\``;
}

function markdown(header: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |\n`;
  return line(header) + line(header.map(() => "---")) + rows.map(line).join("");
}

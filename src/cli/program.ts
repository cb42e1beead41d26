import { Command, CommanderError, Option } from "commander";
import { CliError, messageOf } from "./cli-error.ts";
import { CliContext, type GlobalOptions } from "./context.ts";
import type { Extension, ExtensionEntry } from "./extension.ts";
import type { Io } from "./io.ts";
import type { Known } from "./known.ts";

interface CommandModule {
  define(command: Command, context: CliContext, known: Known): void;
}

/** A command as it is listed; its code is loaded only when it is the one that was typed. */
export interface CommandEntry {
  readonly name: string;
  /** What stands after the name in the help: `[names...]`. */
  readonly args?: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  load(): Promise<CommandModule>;
}

/** Linkerd's own commands, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "authz",
    args: "<resource> [name]",
    summary: "List the authorizations that apply to a resource",
    load: () => import("./commands/authz.ts"),
  },
  {
    name: "check",
    summary: "Check the installation for potential problems",
    load: () => import("./commands/check.ts"),
  },
  {
    name: "completion",
    args: "<shell>",
    summary: "Output shell completion code (bash, zsh or fish)",
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "diagnostics",
    aliases: ["dg"],
    summary: "Look inside proxies and the control plane",
    load: () => import("./commands/diagnostics.ts"),
  },
  {
    name: "identity",
    args: "[pods...]",
    summary: "Display the certificates of pods' proxies",
    load: () => import("./commands/identity.ts"),
  },
  {
    name: "inject",
    args: "[files...]",
    summary: "Add the proxy to a Kubernetes config",
    load: () => import("./commands/inject.ts"),
  },
  {
    name: "install",
    summary: "Output Kubernetes configs to install the control plane",
    load: () => import("./commands/install.ts"),
  },
  {
    name: "profile",
    args: "<service>",
    summary: "Output a service profile for a service",
    load: () => import("./commands/profile.ts"),
  },
  {
    name: "prune",
    summary: "Output Kubernetes resources that an upgrade left over",
    load: () => import("./commands/prune.ts"),
  },
  {
    name: "uninject",
    args: "[files...]",
    summary: "Remove the proxy from a Kubernetes config",
    load: () => import("./commands/uninject.ts"),
  },
  {
    name: "uninstall",
    summary: "Output Kubernetes resources to uninstall the control plane",
    load: () => import("./commands/uninstall.ts"),
  },
  {
    name: "upgrade",
    summary: "Output Kubernetes configs to upgrade the control plane",
    load: () => import("./commands/upgrade.ts"),
  },
  {
    name: "version",
    summary: "Print the client and server version information",
    load: () => import("./commands/version.ts"),
  },
];

/** Runs one command line; the result is the exit status. Nothing is thrown. */
export async function run(
  args: readonly string[],
  io: Io,
  extensions: readonly ExtensionEntry[] = [],
): Promise<number> {
  try {
    const { program, isKnown } = await buildProgram(args, io, extensions);
    if (!isKnown) {
      const status = await runExternal(args, io);
      if (status !== undefined) return status;
    }
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (failure) {
    return report(failure, io);
  }
}

function report(failure: unknown, io: Io): number {
  if (failure instanceof CommanderError) return failure.exitCode; // commander has said it already
  if (failure instanceof CliError) {
    if (failure.message) io.err(`Error: ${failure.message}\n`);
    return failure.exitCode;
  }
  io.err(`Error: ${messageOf(failure)}\n`);
  return 1;
}

async function buildProgram(args: readonly string[], io: Io, extensions: readonly ExtensionEntry[]) {
  const context = new CliContext(io, initialGlobals(io));
  const program = rootCommand(io, context);
  const typed = firstWord(args);
  let isKnown = typed === undefined || typed === "help";
  for (const entry of [...COMMANDS, ...extensions]) {
    const command = child(program, entry);
    const isTyped = entry.name === typed || entry.aliases?.includes(typed ?? "") === true;
    if (typed === "help" ? args.includes(entry.name) : isTyped) {
      isKnown = true;
      defineLoaded(await entry.load(), command, context, extensions);
    }
  }
  return { program, isKnown };
}

function child(program: Command, entry: CommandEntry | ExtensionEntry): Command {
  const args = "args" in entry && entry.args ? ` ${entry.args}` : "";
  const command = program
    .command(entry.name + args)
    .summary(entry.summary)
    .description(`${entry.summary}.`);
  if (entry.aliases) command.aliases([...entry.aliases]);
  return command.allowExcessArguments(false).showSuggestionAfterError(true);
}

function defineLoaded(
  loaded: CommandModule | Extension,
  command: Command,
  context: CliContext,
  extensions: readonly ExtensionEntry[],
): void {
  if ("define" in loaded) loaded.define(command, context, { commands: [...COMMANDS, ...extensions], extensions });
  else loaded.commands(command, context);
}

function rootCommand(io: Io, context: CliContext): Command {
  const collect = (value: string, all: string[]) => [...all, value];
  const program = new Command("linkerd")
    .description("linkerd manages the Linkerd service mesh.")
    .option("-L, --linkerd-namespace <namespace>", "namespace of the control plane", "linkerd")
    .option("--cni-namespace <namespace>", "namespace of the CNI plugin", "linkerd-cni")
    .option("--kubeconfig <path>", "path to the kubeconfig file")
    .option("--context <name>", "kubeconfig context to use")
    .option("--as <user>", "user to impersonate")
    .addOption(
      new Option("--as-group <group>", "group to impersonate, with --as").argParser(collect).default([], "none"),
    )
    .option("--api-addr <host:port>", "reach the control plane here instead of through the cluster")
    .option("--verbose", "say more on standard error", false)
    .addHelpText("before", ROOT_EXAMPLES)
    .configureHelp({ showGlobalOptions: true, sortSubcommands: true })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text.replace(/^error: /, "Error: ")),
    })
    .exitOverride()
    .showSuggestionAfterError(true)
    .showHelpAfterError("(add --help for the flags and examples)");
  program.hook("preAction", () => context.configure(withEnvironment(program.opts<GlobalOptions>(), io)));
  return program;
}

const ROOT_EXAMPLES = `Examples:
  linkerd playground up                        # no cluster? a small one on this machine
  linkerd check --pre                          # may this cluster take Linkerd?
  linkerd install --crds | kubectl apply -f -
  linkerd install | kubectl apply -f -
  linkerd check
  kubectl get deploy -o yaml | linkerd inject - | kubectl apply -f -

`;

function initialGlobals(io: Io): GlobalOptions {
  const globals = { linkerdNamespace: "linkerd", cniNamespace: "linkerd-cni", asGroup: [], verbose: false };
  return withEnvironment(globals, io);
}

/** `LINKERD_NAMESPACE` counts while the flag holds its default. */
function withEnvironment(globals: GlobalOptions, io: Io): GlobalOptions {
  const named = io.env("LINKERD_NAMESPACE");
  return named && globals.linkerdNamespace === "linkerd" ? { ...globals, linkerdNamespace: named } : globals;
}

const FLAGS_WITH_VALUE = [
  "-L",
  "--linkerd-namespace",
  "--cni-namespace",
  "--kubeconfig",
  "--context",
  "--as",
  "--as-group",
  "--api-addr",
];

/** The command that was typed: the first word that is neither a global flag nor a global flag's value. */
export function firstWord(args: readonly string[]): string | undefined {
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (!word.startsWith("-")) return word;
    if (FLAGS_WITH_VALUE.includes(word)) index++;
  }
  return undefined;
}

/** An executable `linkerd-<word>` on the PATH, as Linkerd's own extensions come; undefined when there is none. */
async function runExternal(args: readonly string[], io: Io): Promise<number | undefined> {
  const word = firstWord(args);
  if (word === undefined || !/^[a-z0-9][a-z0-9-]*$/i.test(word)) return undefined;
  const path = Bun.which(`linkerd-${word}`, { PATH: io.env("PATH") ?? "" });
  if (!path) return undefined;
  if (args[0] !== word) throw new CliError("Cannot accept flags before Linkerd extension name");
  const extension = Bun.spawn([path, ...args.slice(1)], { stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  const status = await extension.exited;
  if (status === 0) return 0;
  io.err(`exit status ${status}\n`);
  return 1;
}

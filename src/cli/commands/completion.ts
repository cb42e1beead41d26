import type { Command } from "commander";
import { CliError } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import type { Known } from "../known.ts";

/** `linkerd completion SHELL`: a script that completes command names and asks no cluster. */
export function define(command: Command, context: CliContext, known: Known): void {
  command
    .addHelpText(
      "before",
      "Examples:\n  source <(linkerd completion bash)\n  linkerd completion zsh > ~/.zfunc/_linkerd\n  linkerd completion fish | source\n",
    )
    .action((shell: string) => context.io.out(script(shell, known.commands)));
}

function script(shell: string, entries: readonly { name: string; summary: string }[]): string {
  const names = entries.map((entry) => entry.name);
  if (shell === "bash") return bash(names);
  if (shell === "zsh") return zsh(entries);
  if (shell === "fish") return fish(entries);
  throw new CliError(`unsupported shell type (must be bash, zsh or fish): ${shell}`);
}

function bash(names: readonly string[]): string {
  return `_linkerd() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names.join(" ")} help" -- "$word"))
  elif [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "$(linkerd "\${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE -- '--[a-z0-9-]+' | sort -u)" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -F _linkerd linkerd
`;
}

function zsh(entries: readonly { name: string; summary: string }[]): string {
  const lines = entries.map(({ name, summary }) => `    '${name}:${summary.replaceAll("'", "")}'`);
  return `#compdef linkerd
_linkerd() {
  local -a commands
  commands=(
${lines.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
  else
    _files
  fi
}
compdef _linkerd linkerd
`;
}

function fish(entries: readonly { name: string; summary: string }[]): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  return entries
    .map(({ name, summary }) => `complete -c linkerd -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}\n`)
    .join("");
}

import type { Command } from "commander";
import { misuse } from "../failure.js";
import { print } from "../output.js";

/** completion: a script for the shell, made from the commands themselves, so that it never lags behind them. */
export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description("print a completion script: source <(swarm completion bash)")
    .argument("<shell>", "bash or zsh")
    .action((shell: string) => {
      if (shell !== "bash" && shell !== "zsh") throw misuse(`"${shell}" is neither bash nor zsh`);
      if (shell === "zsh") print("autoload -Uz bashcompinit && bashcompinit");
      print(bashScript(program));
    });
}

interface Path {
  readonly words: string;
  readonly candidates: readonly string[];
}

function bashScript(program: Command): string {
  const cases = pathsOf(program, "").map(({ words, candidates }) => `    "${words}") candidates="${candidates.join(" ")}" ;;`);
  return `_swarm() {
  local path="" word candidates=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) path="$path $word" ;; esac
  done
  case "\${path# }" in
${cases.join("\n")}
    *) case "\${path# }" in
${pathsOf(program, "")
  .filter(({ words }) => words !== "")
  .toSorted((a, b) => b.words.length - a.words.length)
  .map(({ words, candidates }) => `      "${words} "*) candidates="${candidates.filter((candidate) => candidate.startsWith("-")).join(" ")}" ;;`)
  .join("\n")}
    esac ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _swarm swarm`;
}

function pathsOf(command: Command, words: string): readonly Path[] {
  const flags = command.options.map((option) => option.long).filter((flag) => flag !== undefined && flag !== null);
  const own = { words, candidates: [...command.commands.map((child) => child.name()), ...flags, "--help"] };
  return [own, ...command.commands.flatMap((child) => pathsOf(child, words === "" ? child.name() : `${words} ${child.name()}`))];
}

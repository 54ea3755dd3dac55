import type { Command } from "commander";
import { apiOf } from "../context.js";
import { wordsOf } from "../completion/command-words.js";
import { complete, type Completion } from "../completion/complete.js";
import { SCRIPTS, type Shell } from "../completion/scripts.js";
import { parseChoice } from "../quantities.js";
import { print } from "../output.js";

const SHELLS = Object.keys(SCRIPTS) as Shell[];

/** completion: a script for the shell, which asks `__complete` for each word. */
export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .description("print a completion script for the shell: commands, flags, their values, and names of objects")
    .argument("<shell>", "bash, zsh or fish")
    .addHelpText(
      "after",
      `
Examples:
  source <(swarm completion bash)                                     # in this shell; in ~/.bashrc for all
  swarm completion bash >/etc/bash_completion.d/swarm                 # for everybody on this host
  swarm completion zsh >/usr/local/share/zsh/site-functions/_swarm
  swarm completion fish >~/.config/fish/completions/swarm.fish`,
    )
    .action((shell: string) => print(SCRIPTS[parseChoice(shell, "shell", SHELLS)]));
  program
    .command("__complete", { hidden: true })
    .argument("<shell>")
    .argument("[words...]")
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (shell: string, words: readonly string[]) => {
      const [line = "", breaks = ""] = words;
      // bash alone takes words apart at colons and equal signs, so that it hands the line on.
      const typed = shell === "bash" ? wordsOf(line).slice(1) : words;
      const completion = await complete(program, typed, (given) => apiOf(globalFlags(given)));
      for (const answer of answerLines(completion, shell === "bash" ? brokenPrefix(typed.at(-1) ?? "", breaks) : "")) print(answer);
    });
}

function globalFlags(given: ReadonlyMap<string, string>) {
  return Object.fromEntries([...given].map(([flag, value]) => [flag.replace(/^--/, ""), value]));
}

/** What bash takes for words of their own, and will not have again. */
function brokenPrefix(word: string, breaks: string): string {
  const at = Math.max(...[...breaks].filter((letter) => ":=".includes(letter)).map((letter) => word.lastIndexOf(letter)), -1);
  return word.slice(0, at + 1);
}

function answerLines({ words, hasFiles }: Completion, prefix: string): readonly string[] {
  // What ends like this is to be gone on with.
  const isOpen = words.length > 0 && words.every((word) => /[=:,]$/.test(word));
  return [`words${isOpen ? " nospace" : ""}${hasFiles ? " files" : ""}`, ...words.map((word) => word.slice(prefix.length))];
}

import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../../src/cli/program.js";

/** Commands that docker's users stumble over: flags before the image, quoting, what a path means, what is lost for good. */
const WITH_EXAMPLES = [
  ...["init", "join", "update", "node update", "service create", "service update", "service scale", "service ps"],
  ...["run", "container run", "exec", "cp", "ps", "container ls", "logs", "container update"],
  ...["images", "image ls", "image prune", "import", "save", "pull", "volume create", "system prune", "events", "completion"],
];

function helpOf(path: string): string {
  const program = createProgram("1");
  const command = path.split(" ").reduce<Command | undefined>((parent, word) => parent?.commands.find((child) => child.name() === word), program);
  let text = "";
  command?.configureOutput({ writeOut: (more) => (text += more) }).outputHelp();
  return text;
}

test.each(WITH_EXAMPLES)("the help of %s has an example, of commands and flags that there are", (path) => {
  const help = helpOf(path);
  const [, examples = ""] = /^Examples?:(.*)$/ms.exec(help) ?? [];
  expect(examples).toContain("swarm ");
  const program = createProgram("1");
  for (const [, word = ""] of examples.matchAll(/\bswarm ([a-z-]+)/g))
    expect(
      program.commands.map((command) => command.name()),
      word,
    ).toContain(word);
  // Flags of this very command: those of others stand in other lines.
  for (const line of examples.split("\n").filter((each) => each.includes(`swarm ${path} `)))
    for (const [flag] of line.replace(/ # .*/, "").matchAll(/(?<=\s)--[a-z-]+/g)) expect(help.split(examples)[0], line).toContain(`${flag} `);
});

test("the commands are in groups, and a command of a group tells the whole of its name", () => {
  const program = createProgram("1");
  let text = "";
  program.configureOutput({ writeOut: (more) => (text += more) }).outputHelp();
  const titles = [...text.matchAll(/^([A-Z].*):$/gm)].map(([, title]) => title);
  expect(titles).toEqual(["Options", "The swarm", "Containers of this node", "Images and volumes of this node", "This node and this command line"]);
  expect(helpOf("container rm")).toMatch(/^Usage: swarm container rm\|remove /);
  expect(helpOf("rm")).toMatch(/^Usage: swarm rm\|remove /);
});

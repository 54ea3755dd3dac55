import { Command, type CommanderError } from "commander";
import { CommandFailure, EXIT } from "./failure.js";

/** A command whose switches may have a value as docker's do: `--rm=true`, `--sig-proxy=false`, `-t=1`. */
export class DockerCommand extends Command {
  #isPassingThrough = false;

  override createCommand(name?: string): DockerCommand {
    return new DockerCommand(name);
  }

  override passThroughOptions(isPassingThrough = true): this {
    this.#isPassingThrough = isPassingThrough;
    return super.passThroughOptions(isPassingThrough);
  }

  override parseOptions(args: string[]) {
    return super.parseOptions(this.#withoutSwitchValues(args));
  }

  /** Sets switches that have a value, and leaves the rest for commander. */
  #withoutSwitchValues(args: readonly string[]): string[] {
    const rest: string[] = [];
    for (let index = 0; index < args.length; index++) {
      const arg = args[index] ?? "";
      const [, flag = arg, value] = /^(--?[a-zA-Z][a-z-]*)=(true|false|1|0|t|f|T|F|True|False|TRUE|FALSE)$/.exec(arg) ?? [];
      const option = this.options.find(({ long, short }) => long === flag || short === flag);
      const isOperand = !arg.startsWith("-") || arg === "-";
      if (arg === "--" || (isOperand && (this.#isPassingThrough || this.commands.length > 0))) return [...rest, ...args.slice(index)];
      if (option !== undefined && value !== undefined && !option.required && !option.optional) {
        this.setOptionValueWithSource(option.attributeName(), /^(1|t)/i.test(value) !== option.negate, "cli");
        continue;
      }
      rest.push(arg);
      // Its value is none of ours, even if it looks like a flag.
      if (option?.required === true && value === undefined) rest.push(...args.slice(++index, index + 1));
    }
    return rest;
  }
}

/** For commands that change what there is: what is not given stays as it is. */
export function withoutDefaults(command: Command): void {
  for (const option of command.options) option.description = option.description.replace(/ \(default [^)]*\)$/, "");
}

/** A command line that is wrong ends this command with docker's own 125: any other code may be the program's. */
export function misusedAsDocker(command: Command): Command {
  return command.exitOverride((error: CommanderError) => {
    throw error.exitCode === 0 ? error : new CommandFailure(EXIT.ownFault, "");
  });
}

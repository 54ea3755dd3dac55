import type { Command } from "commander";
import type { Api } from "../api.js";
import { action, type CliContext } from "../context.js";
import { CommandFailure, EXIT } from "../failure.js";
import { encodeReference } from "../image-words.js";
import { inspectEach } from "../inspect-each.js";
import { parseChoice } from "../quantities.js";

interface InspectFlags {
  readonly format?: string;
  readonly size?: boolean;
  readonly type?: string;
}

/** Kinds of objects, in the order in which a name is looked for among them. */
const KINDS = ["container", "image", "network", "volume", "service", "task", "node"] as const;
type Kind = (typeof KINDS)[number];

/** inspect: whatever has this name. */
export function addInspectCommand(program: Command): void {
  program
    .command("inspect")
    .description("show all that is known of a container, image, network, volume, service, task or node")
    .argument("<name|id...>")
    .option("-f, --format <format>", "json: one line each, or a template such as {{.Id}}")
    .option("-s, --size", "of containers with the sizes of their files")
    .option("--type <kind>", `one of ${KINDS.join(", ")}: where two have the same name`)
    .action(action<[string[], InspectFlags]>(inspect));
}

async function inspect({ api }: CliContext, names: readonly string[], flags: InspectFlags): Promise<void> {
  const kinds = flags.type === undefined ? KINDS : [parseChoice(flags.type, "type", KINDS)];
  await inspectEach(names, (name) => find(api, kinds, name, flags), flags);
}

async function find(api: Api, kinds: readonly Kind[], name: string, { size }: InspectFlags): Promise<unknown> {
  for (const kind of kinds) {
    try {
      const query = kind === "container" && size === true ? { size: "1" } : {};
      return await api.call({ method: "GET", path: pathOf(kind, name), query });
    } catch (cause) {
      if (kinds.length === 1 || !isElsewhere(cause)) throw cause;
    }
  }
  throw new CommandFailure(EXIT.refused, `No such object: ${name}`);
}

function pathOf(kind: Kind, name: string): string {
  if (kind === "image") return `/images/${encodeReference(name)}/json`;
  return `/${kind}s/${encodeURIComponent(name)}${kind === "container" ? "/json" : ""}`;
}

/** It may be of another kind: there is none of this one, or this node does not know the swarm's objects. A manager that cannot tell is another matter. */
function isElsewhere(cause: unknown): boolean {
  if (!(cause instanceof CommandFailure)) return false;
  return cause.status === 404 || (cause.status === 503 && cause.message.startsWith("This node is not a swarm manager"));
}

import type { Command } from "commander";
import { action, type CliContext } from "../context.js";
import { encodeReference, sizeText } from "../image-words.js";
import { ago, type Column, ellipsis, type ListOptions, printList, shorten } from "../output.js";

interface HistoryFlags extends ListOptions {
  /** True unless `--human=false` or `-H=false` was given. */
  readonly human?: boolean;
  /** commander's form of `--no-trunc`: false when it was given. */
  readonly trunc: boolean;
}

interface Step {
  readonly Id: string;
  /** Seconds since the epoch; 0 is not known. */
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
}

const COMMAND_LENGTH = 45;

/** history, also as `image history`. */
export function addHistoryCommand(parent: Command): void {
  parent
    .command("history")
    .description("show how an image came about")
    .argument("<image>")
    .option("--format <format>", "table, json, or a template such as {{.ID}}")
    .option("-H, --human", "sizes and times in words; --human=false in bytes and as dates (default true)")
    .option("--no-trunc", "do not shorten what created a layer")
    .option("-q, --quiet", "print ids alone")
    .action(action<[string, HistoryFlags]>(history));
}

async function history({ api }: CliContext, name: string, flags: HistoryFlags): Promise<void> {
  const steps = await api.call<readonly Step[]>({ method: "GET", path: `/images/${encodeReference(name)}/history` });
  const idOf = ({ Id }: Step) => (flags.trunc ? shorten(Id.replace("sha256:", "")) : Id);
  const isHuman = flags.human !== false;
  const since = ({ Created }: Step) => (Created === 0 ? "" : ago(new Date(Created * 1000).toISOString()));
  const at = ({ Created }: Step) => new Date(Created * 1000).toISOString().replace(".000", "");
  const columns: readonly Column<Step>[] = [
    { title: "IMAGE", key: "ID", cell: idOf },
    { title: isHuman ? "CREATED" : "CREATED AT", key: "CreatedSince", cell: isHuman ? since : at },
    { title: "CREATED BY", key: "CreatedBy", cell: ({ CreatedBy }) => (flags.trunc ? ellipsis(CreatedBy.replaceAll("\t", " "), COMMAND_LENGTH) : CreatedBy) },
    { title: "SIZE", key: "Size", cell: ({ Size }) => (isHuman ? sizeText(Size) : String(Size)) },
    { title: "COMMENT", key: "Comment", cell: ({ Comment }) => Comment },
    { key: "CreatedAt", cell: at },
  ];
  printList(steps, columns, idOf, flags);
}

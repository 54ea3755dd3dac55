import type { Command } from "commander";
import { AbortScope } from "../../base/abort.js";
import { systemClock } from "../../base/clock.js";
import { type StatsJson, type StatsRow, statsColumns } from "../container/stats.js";
import { runningContainers, StatsWatch } from "../container/stats-watch.js";
import { action, type CliContext } from "../context.js";
import { type ListOptions, listText, printList } from "../output.js";
import type { ContainerInspect } from "../shapes.js";
import { containerPath } from "./container-life.js";

interface StatsFlags extends ListOptions {
  readonly all?: boolean;
  /** commander's form of `--no-stream`: false when it was given. */
  readonly stream: boolean;
  readonly trunc: boolean;
}

const REDRAW_MS = 500;
/** To the upper left corner, and of what is below nothing is left. */
const HOME = "\x1b[H\x1b[J";

/** stats. */
export function addStatsCommand(parent: Command): void {
  parent
    .command("stats")
    .description("show what containers use, again and again")
    .argument("[container...]", "all that run when none is named")
    .option("-a, --all", "also those that do not run")
    .option("--format <format>", "table, json, or a template such as {{.Name}} {{.CPUPerc}}")
    .option("--no-stream", "once")
    .option("--no-trunc", "do not shorten ids")
    .action(action<[string[], StatsFlags]>(stats));
}

async function stats(context: CliContext, names: readonly string[], flags: StatsFlags): Promise<void> {
  const columns = statsColumns(!flags.trunc);
  if (!flags.stream) {
    printList(await takeOnce(context, names, flags.all === true), columns, ({ id }) => id, flags);
    return;
  }
  const { api, signal } = context;
  using end = new AbortScope(signal);
  const watch = new StatsWatch(api, end.signal);
  let isEnded = false;
  const following = names.length === 0 ? watch.followAll(flags.all === true) : followNamed(context, watch, names);
  const ended = following.finally(() => {
    isEnded = true;
  });
  ended.catch(() => undefined);
  try {
    while (!isEnded) {
      // The first picture waits for what is asked for; those after it show how it changes.
      const rows = watch.rows;
      if (rows.length === 0 || rows.some(({ sample }) => sample !== null)) draw(rows, columns, flags);
      await systemClock.sleep(REDRAW_MS, signal);
    }
  } finally {
    end.abort();
  }
  await ended;
}

async function followNamed({ api }: CliContext, watch: StatsWatch, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { Id, Name } = await api.call<ContainerInspect>({ method: "GET", path: `${containerPath(name)}/json` });
    watch.add(Id, Name.slice(1));
  }
  await watch.settled();
}

function draw(rows: readonly StatsRow[], columns: ReturnType<typeof statsColumns>, { format }: StatsFlags): void {
  const isScreen = process.stdout.isTTY === true && (format === undefined || format.startsWith("table"));
  process.stdout.write((isScreen ? HOME : "") + listText(rows, columns, { format }));
}

/** One sample of each, which the daemon compares with a moment before. */
async function takeOnce({ api, signal }: CliContext, names: readonly string[], isAll: boolean): Promise<readonly StatsRow[]> {
  const listed = names.length > 0 ? names : (await runningContainers(api, isAll)).map(({ Id }) => Id);
  return await Promise.all(
    listed.map(async (name) => {
      const sample = await api.call<StatsJson>({ method: "GET", path: `${containerPath(name)}/stats`, query: { stream: "0" }, signal });
      return { id: sample.id ?? name, name: (sample.name ?? "").slice(1), sample };
    }),
  );
}

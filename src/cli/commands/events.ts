import type { Command } from "commander";
import { stringify } from "lossless-json";
import { collect } from "../collect.js";
import { action, type CliContext } from "../context.js";
import { misuse } from "../failure.js";
import { filtersOf } from "../filters.js";
import { parseExact } from "../exact-json.js";
import { jsonLines } from "../json-lines.js";
import { print } from "../output.js";
import { compileTemplate } from "../template/template.js";
import { parseTime } from "../time-flag.js";

interface EventFlags {
  readonly filter?: readonly string[];
  readonly format?: string;
  readonly since?: string;
  readonly until?: string;
}

interface EventJson {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly time: number;
  readonly timeNano?: bigint | number;
}

/** events, also as `system events`. */
export function addEventsCommand(parent: Command): void {
  parent
    .command("events")
    .description("show what happens on this node and in the swarm, as it happens")
    .option("-f, --filter <key=value>", "type, event, container, image, label, …; repeatable", collect)
    .option("--format <format>", "json, or a template such as {{.Type}} {{.Action}}")
    .option("--since <time>", "RFC 3339, seconds since the epoch, or how long ago: 42m")
    .option("--until <time>", "the same; the command ends then")
    .addHelpText("after", "\nExample: what happened, without waiting for more\n  swarm events --since 1h --until 0s --filter type=container --filter event=die")
    .action(action<[EventFlags]>(events));
}

async function events({ api, signal }: CliContext, { filter, format, since, until }: EventFlags): Promise<void> {
  const lineOf = lineMaker(format);
  const query = {
    filters: filtersOf(filter),
    since: since === undefined ? undefined : parseTime(since, "since"),
    until: until === undefined ? undefined : parseTime(until, "until"),
  };
  const reply = await api.open({ method: "GET", path: "/events", query, signal });
  for await (const event of jsonLines<EventJson>(reply, parseExact)) print(lineOf(event));
}

function lineMaker(format: string | undefined): (event: EventJson) => string {
  if (format === undefined) return plainLine;
  if (format === "json") return (event) => stringify(event) ?? "";
  if (!format.includes("{{")) throw misuse(`--format "${format}" is neither json nor a template such as {{.Action}}`);
  return compileTemplate(format);
}

/** `2026-11-21T17:00:00.123000000Z container start 0123… (image=web:v1, name=web)`, as docker has it. */
function plainLine({ Type, Action, Actor, time, timeNano = 0 }: EventJson): string {
  const attributes = Object.entries(Actor.Attributes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return `${localTime(time, BigInt(timeNano))} ${Type} ${Action} ${Actor.ID}${attributes.length === 0 ? "" : ` (${attributes.join(", ")})`}`;
}

/** RFC 3339 with all nine digits, in this process's zone. */
function localTime(seconds: number, nanoseconds: bigint): string {
  const date = new Date(seconds * 1000);
  const offset = -date.getTimezoneOffset();
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const zone = offset === 0 ? "Z" : `${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
  return `${new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19)}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}${zone}`;
}

import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A flag as the help of a command has it. */
export interface SurfaceFlag {
  readonly long: string;
  readonly short: string;
  /** Word for its value; empty: it is a switch. */
  readonly type: string;
  /** Empty: none is named, or it is the zero of its type. */
  readonly preset: string;
}

export interface SurfaceCommand {
  /** `image ls`; empty for docker itself. */
  readonly path: string;
  /** With its own name. */
  readonly aliases: readonly string[];
  readonly flags: readonly SurfaceFlag[];
}

/** Groups and commands that are other work. */
const ELSEWHERE = /^(builder|build|config|context|manifest|network|plugin|secret|stack|trust|checkpoint|completion|image build)\b/;
const ZEROS = ["[]", "map[]", "0", "0s", "-1", "0 = unlimited", "shows just running", "hides intermediate images", "equal to --replicas"];

/** Commands and flags of this docker client, by its own help: without asking any daemon. */
export async function dockerSurface(client: string): Promise<readonly SurfaceCommand[]> {
  const helpOf = async (path: string) => {
    const env = { PATH: process.env.PATH, HOME: "/nonexistent", DOCKER_HOST: "unix:///nonexistent" };
    return (await promisify(execFile)(client, [...path.split(" ").filter((word) => word !== ""), "--help"], { env })).stdout;
  };
  const found: SurfaceCommand[] = [];
  const walk = async (path: string): Promise<void> => {
    const help = await helpOf(path);
    const children = [...help.matchAll(/^(?:Management )?Commands:\n((?: {2}.*\n)+)/gm)].flatMap(([, lines = ""]) => lines.trimEnd().split("\n"));
    const paths = children.map((line) => `${path} ${line.trim().split(/[\s*]/)[0]}`.trim()).filter((child) => !ELSEWHERE.test(child));
    found.push({ path, aliases: aliasesIn(help), flags: flagsIn(help) });
    for (let at = 0; at < paths.length; at += 4) await Promise.all(paths.slice(at, at + 4).map(walk));
  };
  await walk("");
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function aliasesIn(help: string): readonly string[] {
  return /^Aliases:\n {2}(.*)$/m.exec(help)?.[1]?.split(", ") ?? [];
}

function flagsIn(help: string): readonly SurfaceFlag[] {
  const [, options = ""] = /^Options:\n((?: {2}.*\n)+)/m.exec(help) ?? [];
  // What goes on in the next line is indented deeper than any flag.
  const lines = options.replace(/\n {9,}/g, " ").split("\n");
  return lines.flatMap((line) => {
    const [, short = "", long, type = "", text = ""] = /^ {2}(?:(-\w), | {4})--([\w-]+)(?: (\S+))?(?: {2,}(.*))?$/.exec(line) ?? [];
    if (long === undefined || long === "help") return [];
    const [, preset = ""] = /\(default "?([^")]*)"?\)\s*$/.exec(text) ?? [];
    return [{ long, short, type, preset: ZEROS.includes(preset) || preset.includes("/.docker") ? "" : preset.replace(/h0m0s$/, "h") }];
  });
}

/** One line a command, and below it one for each flag. */
export function surfaceText(commands: readonly SurfaceCommand[]): string {
  const flagText = ({ short, long, type, preset }: SurfaceFlag) =>
    `  ${short === "" ? "" : `${short}, `}--${long}${type === "" ? "" : ` ${type}`}${preset === "" ? "" : ` = ${preset}`}\n`;
  return commands
    .map(
      ({ path, aliases, flags }) =>
        `docker${path === "" ? "" : ` ${path}`}${aliases.length === 0 ? "" : ` (${aliases.join(", ")})`}\n${flags.map(flagText).join("")}`,
    )
    .join("");
}

export function parseSurface(text: string): readonly SurfaceCommand[] {
  const commands: { path: string; aliases: string[]; flags: SurfaceFlag[] }[] = [];
  for (const line of text.trimEnd().split("\n")) {
    const [, path, aliases = ""] = /^docker ?(.*?)(?: \((.*)\))?$/.exec(line) ?? [];
    if (path !== undefined) commands.push({ path, aliases: aliases === "" ? [] : aliases.split(", "), flags: [] });
    const [, short = "", long, type = "", preset = ""] = /^ {2}(?:(-\w), )?--([\w-]+)(?: (\S+))??(?: = (.*))?$/.exec(line) ?? [];
    if (long !== undefined) commands.at(-1)?.flags.push({ short, long, type, preset });
  }
  return commands;
}

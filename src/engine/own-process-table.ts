import { readFile } from "node:fs/promises";
import { systemCodeOf } from "../base/errors.js";

/** A table as `ps` prints it. */
export interface ProcessTable {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Parts of a second that the kernel counts processor time in (sysconf _SC_CLK_TCK, on every architecture of Linux that Node.js runs on). */
const TICKS_PER_SECOND = 100;
const TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
const DAY_MS = 24 * 60 * 60 * 1000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What the rows have in common. */
interface Surroundings {
  readonly nowMs: number;
  readonly bootMs: number;
  /** By user id. */
  readonly users: ReadonlyMap<string, string>;
}

/** These processes of the host as `ps -ef` shows them, without `ps`; those that have ended meanwhile are left out. */
export async function ownProcessTable(pids: readonly number[], nowMs: number): Promise<ProcessTable> {
  const surroundings = { nowMs, bootMs: await bootMs(), users: await usersOfHost() };
  const rows = await Promise.all(pids.map((pid) => rowOf(pid, surroundings)));
  return { titles: TITLES, rows: rows.filter((row) => row !== null) };
}

/** By proc_pid_stat(5) and its neighbours. */
async function rowOf(pid: number, { nowMs, bootMs: boot, users }: Surroundings): Promise<readonly string[] | null> {
  try {
    const [status = "", stat = "", commandLine = ""] = await Promise.all(["status", "stat", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")));
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "";
    // What comes after the name, which may itself contain spaces and parentheses: the state is number 3 of the manual's list.
    const numbers = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [terminal, userTicks, systemTicks, startTicks] = [7, 14, 15, 22].map((position) => Number(numbers[position - 3] ?? 0)) as [
      number,
      number,
      number,
      number,
    ];
    const startedMs = boot + (startTicks * 1000) / TICKS_PER_SECOND;
    const usedSeconds = (userTicks + systemTicks) / TICKS_PER_SECOND;
    const share = Math.floor((usedSeconds * 100) / Math.max((nowMs - startedMs) / 1000, 1));
    const user = field("Uid");
    const command = commandLine.split("\0").join(" ").trim() || `[${field("Name")}]`;
    return [users.get(user) ?? user, `${pid}`, field("PPid"), `${share}`, startText(startedMs, nowMs), terminalName(terminal), clockText(usedSeconds), command];
  } catch (cause) {
    const code = systemCodeOf(cause);
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw cause;
  }
}

/** When the machine was started (proc_stat(5)). */
async function bootMs(): Promise<number> {
  return Number(/^btime (\d+)$/m.exec(await readFile("/proc/stat", "utf8"))?.[1] ?? 0) * 1000;
}

/** Names of the host's users: containers' are not asked, whatever they call them. */
async function usersOfHost(): Promise<ReadonlyMap<string, string>> {
  const lines = (await readFile("/etc/passwd", "utf8").catch(() => "")).split("\n").map((line) => line.split(":"));
  return new Map(lines.flatMap(([name = "", , id = ""]): [string, string][] => (name === "" ? [] : [[id, name]])));
}

/** Its time of day, or the day when that is longer ago. */
function startText(startedMs: number, nowMs: number): string {
  const start = new Date(startedMs);
  const two = (value: number) => String(value).padStart(2, "0");
  if (nowMs - startedMs < DAY_MS) return `${two(start.getHours())}:${two(start.getMinutes())}`;
  return `${MONTHS[start.getMonth()]}${two(start.getDate())}`;
}

function clockText(seconds: number): string {
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
}

/** A device's number as the kernel packs it: terminals of programs have the major numbers 136 to 143. */
function terminalName(device: number): string {
  const [major, minor] = [(device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00)];
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  return device === 0 ? "?" : "tty";
}

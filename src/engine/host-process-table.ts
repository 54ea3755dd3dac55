import { execFile } from "node:child_process";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import type { ProcessTable } from "./own-process-table.js";

const PS_MS_MAX = 10_000;
const PS_BYTES_MAX = 16 * 1024 * 1024;
/** Another column that is called as the one by which rows are chosen (moby: daemon/top_unix.go). */
const RENAMED_PID = /^(\S*)=(PID\S*)$/;

/**
 * These processes as the host's `ps` shows them with the given arguments, in which it must show their ids. Throws ClusterError `invalid_argument` with what `ps` says of the
 * arguments, `unimplemented` on a host without it.
 */
export async function hostProcessTable(args: readonly string[], pids: readonly number[]): Promise<ProcessTable> {
  const renamed = args.map((arg) => RENAMED_PID.exec(arg)).find((match) => match !== null);
  if (renamed !== undefined) throw new ClusterError("invalid_argument", `specifying "${renamed[1]}=${renamed[2]}" is not allowed`);
  if (pids.length === 0) return { titles: [], rows: [] };
  // Some forms of arguments do not go with a choice of processes: then all are listed, and chosen here.
  const chosen = await runPs([...args, "-q", pids.join(",")]);
  const { output, error } = chosen.error === "" ? chosen : await runPs(args);
  if (error !== "") throw new ClusterError("invalid_argument", `ps: ${error}`);
  return chooseRows(output, new Set(pids));
}

/** Rows of these processes. The last column takes the rest of its line, as far as the titles go. Throws `invalid_argument` when no column has the ids. */
export function chooseRows(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = "", ...lines] = output.split("\n");
  const titles = wordsOf(head);
  const pidColumn = titles.indexOf("PID");
  if (pidColumn < 0) throw new ClusterError("invalid_argument", "Couldn't find PID field in ps output");
  const rows = lines
    .map(wordsOf)
    .filter((words) => pids.has(Number(words[pidColumn])))
    .map((words) => [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")]);
  return { titles, rows };
}

function wordsOf(line: string): readonly string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}

/** `error` is the first line of what it complained of; empty when it did not. */
function runPs(args: readonly string[]): Promise<{ readonly output: string; readonly error: string }> {
  return new Promise((resolve, reject) => {
    execFile("ps", [...args], { timeout: PS_MS_MAX, maxBuffer: PS_BYTES_MAX, encoding: "utf8" }, (cause, output, errors) => {
      if (cause === null) resolve({ output, error: "" });
      else if (systemCodeOf(cause) === "ENOENT") reject(new ClusterError("unimplemented", NO_PS_TEXT));
      else resolve({ output, error: errors.split("\n")[0]?.replace(/^ps: /, "") || `it was ended: ${cause.message}` });
    });
  });
}

const NO_PS_TEXT = "top with arguments needs the host's ps, and there is none on the daemon's PATH: install procps, or leave the arguments out";

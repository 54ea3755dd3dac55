import { CommandFailure, EXIT } from "./failure.js";
import { jsonLines } from "./json-lines.js";
import { note, print } from "./output.js";
import { canRedraw, fitted } from "./terminal-line.js";

/** One line of a stream of progress, as the API sends it. */
interface ProgressLine {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly error?: string;
  readonly progress?: string;
}

/**
 * Shows a stream of progress: on a terminal one line for each layer, redrawn, with its bar; elsewhere every change of status once, without bars. What counts at the end goes to standard
 * output, in quiet only what an archive brought. Throws the failure that the stream tells of.
 */
export async function showProgress(
  stream: AsyncIterable<Uint8Array>,
  options: { readonly isQuiet: boolean; readonly output?: "stdout" | "stderr" },
): Promise<void> {
  const say = options.output === "stderr" ? (options.isQuiet ? () => undefined : note) : print;
  const view = options.isQuiet ? null : canRedraw() ? new TerminalView() : new PlainView();
  for await (const line of jsonLines<ProgressLine>(stream)) {
    if (line.error !== undefined) throw new CommandFailure(EXIT.refused, line.error);
    // It stands below the rows, which stay as they are from then on.
    if (line.stream !== undefined || line.id === undefined) view?.close();
    if (line.stream !== undefined) say(line.stream.trimEnd());
    else if (line.status !== undefined && line.id !== undefined) view?.show(line.id, line.status, line.progress ?? "");
    else if (line.status !== undefined && !options.isQuiet) say(line.status);
  }
}

interface View {
  /** What is shown from now on has rows of its own. */
  close(): void;
  show(id: string, status: string, bar: string): void;
}

class PlainView implements View {
  readonly #last = new Map<string, string>();

  close(): void {
    this.#last.clear();
  }

  show(id: string, status: string): void {
    if (this.#last.get(id) === status) return;
    this.#last.set(id, status);
    note(`${id}: ${status}`);
  }
}

class TerminalView implements View {
  #rows: string[] = [];

  close(): void {
    this.#rows = [];
  }

  show(id: string, status: string, bar: string): void {
    const text = fitted(`${id}: ${status}${bar === "" ? "" : ` ${bar}`}`);
    const known = this.#rows.indexOf(id);
    if (known < 0) {
      this.#rows.push(id);
      note(text);
      return;
    }
    const up = this.#rows.length - known;
    // What has left the screen at its top cannot be drawn again.
    if (up >= (process.stderr.rows || 24)) return;
    process.stderr.write(`\x1b[${up}A\r\x1b[2K${text}\x1b[${up}B\r`);
  }
}

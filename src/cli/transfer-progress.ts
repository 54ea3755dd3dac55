import { CommandFailure, EXIT } from "./failure.js";
import { note, print } from "./output.js";

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
 * output. Throws the failure that the stream tells of.
 */
export async function showProgress(stream: AsyncIterable<Uint8Array>, options: { readonly isQuiet: boolean }): Promise<void> {
  const view = options.isQuiet ? null : process.stderr.isTTY === true ? new TerminalView() : new PlainView();
  for await (const line of linesOf(stream)) {
    if (line.error !== undefined) throw new CommandFailure(EXIT.refused, line.error);
    if (line.stream !== undefined) print(line.stream.trimEnd());
    else if (line.status !== undefined && line.id === undefined) print(line.status);
    else if (line.status !== undefined) view?.show(line.id ?? "", line.status, line.progress ?? "");
  }
}

interface View {
  show(id: string, status: string, bar: string): void;
}

class PlainView implements View {
  readonly #last = new Map<string, string>();

  show(id: string, status: string): void {
    if (this.#last.get(id) === status) return;
    this.#last.set(id, status);
    note(`${id}: ${status}`);
  }
}

class TerminalView implements View {
  readonly #rows: string[] = [];

  show(id: string, status: string, bar: string): void {
    const text = `${id}: ${status}${bar === "" ? "" : ` ${bar}`}`;
    const known = this.#rows.indexOf(id);
    if (known < 0) {
      this.#rows.push(id);
      note(text);
      return;
    }
    const up = this.#rows.length - known;
    process.stderr.write(`\x1b[${up}A\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}\x1b[${up}B\r`);
  }
}

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ProgressLine> {
  let held = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as ProgressLine;
  }
  if (held.trim() !== "") yield JSON.parse(held) as ProgressLine;
}

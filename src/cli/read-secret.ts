import { createInterface } from "node:readline";

/** The first line of standard input. On a terminal it is asked for, and what is typed is not shown unless `isShown`. */
export async function readSecret(prompt: string, signal: AbortSignal, options: { readonly isShown?: boolean } = {}): Promise<string> {
  const isShown = options.isShown === true;
  const { stdin, stderr } = process;
  const isTerminal = stdin.isTTY === true;
  // Without an output, readline echoes nothing; on a terminal it also turns off the terminal's own echo.
  const lines = createInterface({ input: stdin, terminal: isTerminal && !isShown });
  // From here on nothing that is typed is shown.
  if (isTerminal) stderr.write(prompt);
  lines.once("SIGINT", () => process.kill(process.pid, "SIGINT")); // In this mode the terminal does not send it.
  try {
    return await new Promise<string>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      lines.once("line", (line) => resolve(line.trim()));
      lines.once("close", () => resolve(""));
    });
  } finally {
    lines.close();
    if (isTerminal && !isShown) stderr.write("\n");
  }
}

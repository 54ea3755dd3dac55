import { misuse } from "./failure.js";

/** Splits as a shell does, with single and double quotes and backslashes, without expansions. */
export function shellWords(text: string, flag: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gy;
  let end = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    end = pattern.lastIndex;
    words.push(
      (match[1] ?? "").replace(
        /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g,
        (_, double?: string, single?: string, escaped?: string) => double?.replace(/\\(["\\$`])/g, "$1") ?? single ?? escaped ?? "",
      ),
    );
  }
  if (text.slice(end).trim() !== "") throw misuse(`--${flag} "${text}" has a quote that is not closed`);
  return words;
}

/**
 * The words of a command line up to the cursor, as a shell would hand them on; the last one is what is being typed, "" after a space. Quotes that are still open are taken as closed.
 */
export function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  let [word, quote, isWord] = ["", "", false];
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] ?? "";
    if (quote !== "") {
      if (letter === quote) quote = "";
      else if (letter === "\\" && quote === '"') word += line[++at] ?? "";
      else word += letter;
      continue;
    }
    if (/\s/.test(letter)) {
      if (isWord) words.push(word);
      [word, isWord] = ["", false];
      continue;
    }
    isWord = true;
    if (letter === "'" || letter === '"') quote = letter;
    else word += letter === "\\" ? (line[++at] ?? "") : letter;
  }
  return [...words, word];
}

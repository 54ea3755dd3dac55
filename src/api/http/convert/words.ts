/** A closed set of words as clients write them, and what they mean in the model. */
export type Words<T extends string> = Readonly<Record<string, T>>;

/** Words that are the same on both sides. */
export function sameWords<T extends string>(...words: readonly T[]): Words<T> {
  return Object.fromEntries(words.map((word) => [word, word]));
}

/** The model's words with `_` where clients have `-`. */
export function dashed(word: string): string {
  return word.replaceAll("_", "-");
}

/** Dashed words, and the model's word for each. */
export function dashedWords<T extends string>(...words: readonly T[]): Words<T> {
  return Object.fromEntries(words.map((word) => [dashed(word), word]));
}

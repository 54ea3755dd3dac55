import { badRequest } from "./errors.js";

/** ctrl-p ctrl-q. */
const DEFAULT_KEYS = [16, 17];

const CONTROL: Readonly<Record<string, number>> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** `ctrl-x,a` as bytes; empty is Docker's own. Throws 400 for what is no key. */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === "") return DEFAULT_KEYS;
  return text.split(",").map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const letter = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (letter === undefined) throw badRequest(`Invalid detach keys (${text}) provided: unknown character: '${key}'`);
    return CONTROL[letter] ?? letter.charCodeAt(0) - 96;
  });
}

/** Looks for the keys in what a terminal sends: they are not passed on, and end it. What only begins like them is held back until it is known not to be. */
export class DetachFilter {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What is to be passed on; `isDetached` when the keys were pressed. */
  take(data: Buffer): { readonly data: Buffer; readonly isDetached: boolean } {
    const out: number[] = [];
    for (const byte of data) {
      if (byte !== this.#keys[this.#matched] && this.#matched > 0) {
        out.push(...this.#keys.slice(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) out.push(byte);
      else if (++this.#matched === this.#keys.length) return { data: Buffer.from(out), isDetached: true };
    }
    return { data: Buffer.from(out), isDetached: false };
  }
}

import { misuse } from "../failure.js";

/** ctrl-p ctrl-q. */
const DEFAULT_KEYS = [16, 17];
const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** `ctrl-x,a` as bytes; empty is docker's own. Throws a CommandFailure for what is no key. */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === "") return DEFAULT_KEYS;
  return text.split(",").map((key) => {
    const code = key.length === 1 ? key.charCodeAt(0) : /^ctrl-.$/.test(key) ? CONTROL.indexOf(key.slice(-1)) : -1;
    if (code < 0) throw misuse(`--detach-keys "${text}": "${key}" is neither a letter nor ctrl- and one of a-z @ [ \\ ] ^ _`);
    return code;
  });
}

/** Sees what is typed. The daemon ends the stream when it gets the keys: this one knows then that the program did not end. */
export class DetachWatch {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  get isDetached(): boolean {
    return this.#matched === this.#keys.length;
  }

  see(data: Uint8Array): void {
    for (const byte of data) {
      if (this.isDetached) return;
      if (byte !== this.#keys[this.#matched]) this.#matched = 0;
      if (byte === this.#keys[this.#matched]) this.#matched++;
    }
  }
}

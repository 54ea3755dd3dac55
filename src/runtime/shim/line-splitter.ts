const LINE_SIZE_MAX = 65_536;

/** Cuts a stream of bytes into lines without their newline; a longer one than 64 KiB is given in parts. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #held: Buffer = Buffer.alloc(0);

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(data: Buffer): void {
    let rest = this.#held.length === 0 ? data : Buffer.concat([this.#held, data]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#onLine(rest.toString("utf8", 0, end));
      rest = rest.subarray(end + 1);
    }
    if (rest.length > LINE_SIZE_MAX) {
      this.#onLine(rest.toString("utf8"));
      rest = Buffer.alloc(0);
    }
    this.#held = rest;
  }
}

/** Calls that follow each other: each begins when the one before has settled, and one that fails does not hold up the next. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** The call's outcome. */
  take<T>(call: () => Promise<T>): Promise<T> {
    const done = this.#last.then(call);
    this.#last = done.catch(() => undefined); // Whoever asked for it hears of it.
    return done;
  }

  /** Resolves when what was asked for before has settled, however it ended. */
  async settled(): Promise<void> {
    await this.#last;
  }
}

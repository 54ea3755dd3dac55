import type { Api } from "../api.js";
import { CommandFailure } from "../failure.js";

/** What a process can catch and is meant for the program; the kernel's own notes about children, windows and pipes are not. */
const SIGNALS: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
];

/** Passes the signals that this process gets on to a container's program, until disposed. Those that come before it was started are kept for then. */
export class SignalProxy implements Disposable {
  readonly #api: Api;
  readonly #early: NodeJS.Signals[] = [];
  #target: string | null = null;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (this.#target === null) this.#early.push(signal);
    else this.#send(this.#target, signal);
  };

  constructor(api: Api) {
    this.#api = api;
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** From now on there is a program that can get them. */
  started(containerId: string): void {
    this.#target = containerId;
    for (const signal of this.#early.splice(0)) this.#send(containerId, signal);
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  #send(id: string, signal: string): void {
    this.#api.call({ method: "POST", path: `/containers/${id}/kill`, query: { signal } }).catch((cause: unknown) => {
      // It may have ended meanwhile: its end is told where it is waited for.
      if (!(cause instanceof CommandFailure)) throw cause;
    });
  }
}

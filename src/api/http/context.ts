import type { Clock } from "../../base/clock.js";
import type { Logger } from "../../base/log.js";
import type { Backend } from "./backend.js";

/** Routes of one object, by what its user calls it. */
export interface ById {
  Params: { readonly id: string };
}

/** What every route gets. */
export interface RouteContext {
  readonly backend: Backend;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Aborts when the server closes: open streams end. */
  readonly closing: AbortSignal;
}

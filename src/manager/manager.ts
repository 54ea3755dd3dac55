import type { Clock } from "../base/clock.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { ExternalSigner } from "../pki/cfssl-client.js";
import type { Store } from "../store/store.js";
import { Allocator } from "./allocator/allocator.js";
import { Control } from "./control/control.js";
import type { Membership } from "./control/membership.js";
import { RoleManager } from "./control/role-manager.js";
import { RootRotator } from "./control/root-rotator.js";
import { Dispatcher } from "./dispatcher/dispatcher.js";
import { LogBroker } from "./dispatcher/log-broker.js";
import { Orchestrator } from "./orchestrator/orchestrator.js";
import { TaskReaper } from "./reaper/task-reaper.js";
import { ConstraintEnforcer } from "./scheduler/constraint-enforcer.js";
import { Scheduler } from "./scheduler/scheduler.js";
import { runTerm } from "./term.js";

export interface ManagerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly membership: Membership;
  /** Asks certificate authorities outside of the cluster. */
  readonly signer: ExternalSigner;
  /** How long nobody led before this manager does, in ms. */
  readonly leaderlessMs: number;
}

/** What a manager does while it leads. `control`, `dispatcher` and `logBroker` may be called at any time: they refuse when it does not lead. */
export class Manager {
  readonly control: Control;
  readonly dispatcher: Dispatcher;
  readonly logBroker: LogBroker;
  readonly #options: ManagerOptions;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.control = new Control(options);
    this.dispatcher = new Dispatcher(options);
    this.logBroker = new LogBroker({ ...options, dispatcher: this.dispatcher });
  }

  /** Leads until the signal aborts: one call per term of leadership; see runTerm. */
  run(signal: AbortSignal): Promise<void> {
    const options = this.#options;
    const loops = [
      this.dispatcher,
      this.logBroker,
      new Orchestrator(options),
      new TaskReaper(options),
      new Allocator(options),
      new Scheduler(options),
      new ConstraintEnforcer(options),
      new RoleManager(options),
      new RootRotator({ ...options, bell: this.dispatcher }),
    ];
    return runTerm(loops, signal, options.logger);
  }
}

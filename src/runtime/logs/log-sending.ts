import { join } from "node:path";
import type { Clock } from "../../base/clock.js";
import type { Logger } from "../../base/log.js";
import type { LogAttributeSource } from "./log-attributes.js";
import { LogForwarder } from "./log-forwarder.js";
import type { LogPlan } from "./log-plan.js";
import { openJournaldSink } from "./journald-sink.js";
import { openSyslogSink, type SinkTools } from "./syslog-sink.js";

export interface ForwardedLog {
  readonly plan: LogPlan;
  readonly source: LogAttributeSource;
  /** The container's folder, and its log in it. */
  readonly folder: string;
  readonly path: string;
}

/** How long the end of a container that is being removed may take to be sent. */
const REMOVAL_MS = 5_000;

/** Sends the logs of containers whose driver is journald or syslog. */
export class LogSending {
  readonly #tools: SinkTools & { readonly clock: Clock; readonly logger: Logger };
  readonly #forwarders = new Map<string, LogForwarder>();
  #isClosed = false;

  constructor(tools: SinkTools & { readonly clock: Clock; readonly logger: Logger }) {
    this.#tools = tools;
  }

  /** It runs, or (with `isEnded`) has run. Does nothing for a log that stays here. */
  begin(log: ForwardedLog, isEnded: boolean): void {
    const { forwarding } = log.plan;
    if (forwarding === null || this.#isClosed) return;
    const { id } = log.source;
    const present = this.#forwarders.get(id) ?? this.#open(log, forwarding);
    this.#forwarders.set(id, present);
    present.finish(isEnded);
  }

  /** What is to be told before its files are removed. */
  async forget(id: string): Promise<void> {
    const forwarder = this.#forwarders.get(id);
    if (forwarder === undefined) return;
    await forwarder.drain(REMOVAL_MS);
    await forwarder.stop();
  }

  /** What is not sent yet is sent by the next daemon. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#forwarders.values()].map((forwarder) => forwarder.stop()));
  }

  #open({ plan, source, folder, path }: ForwardedLog, forwarding: NonNullable<LogPlan["forwarding"]>): LogForwarder {
    const { target, tag, backlogBytesMax } = forwarding;
    const openSink = () =>
      target.type === "journald" ? openJournaldSink(source, tag, plan.attributes, this.#tools) : openSyslogSink(target, tag, this.#tools);
    const { clock, logger } = this.#tools;
    const forwarder: LogForwarder = new LogForwarder({
      containerId: source.id,
      path,
      markPath: join(folder, "log-sent"),
      backlogBytesMax,
      openSink,
      clock,
      logger,
      onFinished: () => {
        if (this.#forwarders.get(source.id) === forwarder) this.#forwarders.delete(source.id);
      },
    });
    return forwarder;
  }
}

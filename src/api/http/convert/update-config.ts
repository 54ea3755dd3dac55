import type { UpdateConfig, UpdateFailureAction, UpdateOrder } from "../../../model/objects.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";
import { dashed, dashedWords, sameWords } from "./words.js";
import { unlessZero } from "./zero-values.js";

const ORDERS = dashedWords<UpdateOrder>("stop_first", "start_first");

export function updateConfigFromDocker(fields: Fields | null, actions: readonly UpdateFailureAction[]): UpdateConfig | null {
  if (fields === null) return null;
  const config: UpdateConfig = {
    parallelism: fields.count("Parallelism"),
    delayNs: fields.integer("Delay"),
    failureAction: fields.word("FailureAction", sameWords(...actions), "pause"),
    monitorNs: fields.integer("Monitor"),
    maxFailureRatio: fields.ratio("MaxFailureRatio"),
    order: fields.word("Order", ORDERS, "stop_first"),
  };
  fields.end();
  return config;
}

export function updateConfigToDocker(config: UpdateConfig | null): Json {
  if (config === null) return undefined;
  return {
    Parallelism: config.parallelism,
    Delay: unlessZero(config.delayNs),
    FailureAction: config.failureAction,
    Monitor: unlessZero(config.monitorNs),
    MaxFailureRatio: config.maxFailureRatio,
    Order: dashed(config.order),
  };
}

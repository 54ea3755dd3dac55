import { misuse } from "../failure.js";
import { parseChoice, parseCount, parseDuration } from "../quantities.js";
import type { ServiceSpecJson, UpdateConfigJson } from "../shapes.js";
import type { CommonFlags } from "./flags.js";

/** Puts the flags `--update-…` or `--rollback-…` into the spec. Throws a CommandFailure that names the flag. */
export function applyRollout(spec: ServiceSpecJson, flags: CommonFlags, kind: "update" | "rollback"): void {
  const get = (name: "Parallelism" | "Delay" | "Monitor" | "FailureAction" | "MaxFailureRatio" | "Order") => flags[`${kind}${name}`];
  const present = kind === "update" ? spec.UpdateConfig : spec.RollbackConfig;
  const config: UpdateConfigJson = {};
  const [parallelism, delay, monitor, action, ratio, order] = [
    get("Parallelism"),
    get("Delay"),
    get("Monitor"),
    get("FailureAction"),
    get("MaxFailureRatio"),
    get("Order"),
  ];
  if (parallelism !== undefined) config.Parallelism = parseCount(parallelism, `${kind}-parallelism`);
  if (delay !== undefined) config.Delay = parseDuration(delay, `${kind}-delay`);
  if (monitor !== undefined) config.Monitor = parseDuration(monitor, `${kind}-monitor`);
  if (action !== undefined)
    config.FailureAction = parseChoice(action, `${kind}-failure-action`, kind === "update" ? ["pause", "continue", "rollback"] : ["pause", "continue"]);
  if (ratio !== undefined) config.MaxFailureRatio = parseRatio(ratio, `${kind}-max-failure-ratio`);
  if (order !== undefined) config.Order = parseChoice(order, `${kind}-order`, ["stop-first", "start-first"]);
  if (Object.keys(config).length === 0) return;
  const merged = { ...(present ?? { Parallelism: 1 }), ...config };
  if (kind === "update") spec.UpdateConfig = merged;
  else spec.RollbackConfig = merged;
}

function parseRatio(text: string, flag: string): number {
  const ratio = Number(text);
  if (text === "" || !(ratio >= 0 && ratio <= 1)) throw misuse(`--${flag} "${text}" is not a number from 0 to 1`);
  return ratio;
}

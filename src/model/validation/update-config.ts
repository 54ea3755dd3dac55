import type { UpdateConfig } from "../objects.js";
import { invalid } from "./invalid.js";

/** Throws ClusterError `invalid_argument`. `which` is "update" or "rollback", as it stands in the text. */
export function validateUpdateConfig(which: string, config: UpdateConfig | null): void {
  if (config === null) return;
  if (config.delayNs < 0n) throw invalid(`TaskSpec: ${which}-delay cannot be negative`);
  if (config.monitorNs < 0n) throw invalid(`TaskSpec: ${which}-monitor cannot be negative`);
  if (!(config.maxFailureRatio >= 0 && config.maxFailureRatio <= 1)) throw invalid(`TaskSpec: ${which}-maxfailureratio cannot be less than 0 or bigger than 1`);
}

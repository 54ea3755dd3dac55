import type { ServiceMode } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";

/** No mode at all is one replica; more than one mode is an error. */
export function serviceModeFromDocker(fields: Fields | null): ServiceMode {
  const replicated = fields?.child("Replicated") ?? null;
  const global = fields?.child("Global") ?? null;
  const replicatedJob = fields?.child("ReplicatedJob") ?? null;
  const globalJob = fields?.child("GlobalJob") ?? null;
  fields?.end();
  const given = [replicated, global, replicatedJob, globalJob].filter((mode) => mode !== null);
  if (given.length > 1) throw badRequest("must specify only one service mode");
  const mode = modeOf({ replicated, global, replicatedJob, globalJob });
  for (const fields of given) fields.end();
  return mode;
}

function modeOf(given: Readonly<Record<"replicated" | "global" | "replicatedJob" | "globalJob", Fields | null>>): ServiceMode {
  if (given.global !== null) return { type: "global", global: {} };
  if (given.globalJob !== null) return { type: "globalJob", globalJob: {} };
  if (given.replicatedJob !== null) {
    const maxConcurrent = given.replicatedJob.optionalCount("MaxConcurrent") ?? 1;
    const totalCompletions = given.replicatedJob.optionalCount("TotalCompletions") ?? maxConcurrent;
    return { type: "replicatedJob", replicatedJob: { maxConcurrent, totalCompletions } };
  }
  return { type: "replicated", replicated: { replicas: given.replicated?.optionalCount("Replicas") ?? 1 } };
}

export function serviceModeToDocker(mode: ServiceMode | null): Json {
  switch (mode?.type) {
    case undefined:
      return {};
    case "replicated":
      return { Replicated: { Replicas: mode.replicated.replicas } };
    case "global":
      return { Global: {} };
    case "replicatedJob":
      return { ReplicatedJob: { MaxConcurrent: mode.replicatedJob.maxConcurrent, TotalCompletions: mode.replicatedJob.totalCompletions } };
    case "globalJob":
      return { GlobalJob: {} };
  }
}

/** As the `mode` filter of the list of services has it. */
export function serviceModeWord(mode: ServiceMode | null): "replicated" | "global" | "replicated-job" | "global-job" {
  switch (mode?.type) {
    case undefined:
    case "replicated":
      return "replicated";
    case "global":
      return "global";
    case "replicatedJob":
      return "replicated-job";
    case "globalJob":
      return "global-job";
  }
}

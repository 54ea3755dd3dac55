import { join } from "node:path";
import type { ContainerPaths } from "../container-paths.js";
import type { ContainerRecord } from "../container-record.js";
import type { ForwardedLog } from "./log-sending.js";
import { planLog } from "./log-plan.js";

/** A container's log: what its settings come to, and where its files are. Throws as `planLog`. */
export function containerLogOf(record: Pick<ContainerRecord, "config" | "imageId" | "process">, paths: Pick<ContainerPaths, "folder" | "log">): ForwardedLog {
  const { config, imageId, process } = record;
  const source = { id: config.id, name: config.name, imageId, imageName: config.image, args: process.args, labels: config.labels, env: process.env };
  const plan = planLog(config.log, source);
  return { plan, source, folder: paths.folder, path: plan.format === "local" ? join(paths.folder, "container.log") : paths.log };
}

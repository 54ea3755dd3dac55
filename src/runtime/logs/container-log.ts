import { join } from "node:path";
import { ClusterError } from "../../base/errors.js";
import type { ContainerPaths } from "../container-paths.js";
import type { ContainerRecord } from "../container-record.js";
import type { ContainerLogOptions, LogLine } from "../container-runtime.js";
import { codecOf } from "./log-formats.js";
import { planLog } from "./log-plan.js";
import { type OnLogEnd, readLog } from "./log-reader.js";
import type { ForwardedLog } from "./log-sending.js";

/** A container's log: what its settings come to, and where its files are. Throws as `planLog`. */
export function containerLogOf(record: Pick<ContainerRecord, "config" | "imageId" | "process">, paths: Pick<ContainerPaths, "folder" | "log">): ForwardedLog {
  const { config, imageId, process } = record;
  const source = { id: config.id, name: config.name, imageId, imageName: config.image, args: process.args, labels: config.labels, env: process.env };
  const plan = planLog(config.log, source);
  return { plan, source, folder: paths.folder, path: plan.format === "local" ? join(paths.folder, "container.log") : paths.log };
}

/** Its entries, as `readLog`. Throws `unimplemented` at once, in Docker's words, when its driver keeps none here. */
export function readContainerLog(
  { plan, path }: Pick<ForwardedLog, "plan" | "path">,
  options: ContainerLogOptions,
  onEnd: OnLogEnd,
  signal: AbortSignal,
): AsyncIterable<LogLine> {
  if (plan.format === "none" || !plan.isReadable) throw new ClusterError("unimplemented", "configured logging driver does not support reading");
  return withAttributes(readLog(path, codecOf(plan.format), options, onEnd, signal), plan.attributes);
}

async function* withAttributes(lines: AsyncIterable<LogLine>, attributes: LogLine["attributes"]): AsyncGenerator<LogLine> {
  for await (const line of lines) yield { ...line, attributes };
}

import { access, readFile, realpath } from "node:fs/promises";
import { ClusterError } from "../base/errors.js";
import { mountOf, parseMountinfo } from "../base/mountinfo.js";
import type { ContainerMount } from "./container-config.js";

/** Throws ClusterError `invalid_argument` unless the source of a bind is there, and the host's mount that it is on can propagate as asked. */
export async function requireBindSource({ source, propagation }: ContainerMount): Promise<void> {
  try {
    await access(source);
  } catch (cause) {
    throw new ClusterError("invalid_argument", `invalid mount config for type "bind": bind source path does not exist: ${source}`, { cause });
  }
  if (!/shared|slave/.test(propagation)) return;
  const { mountPoint, isShared, isSlave } = mountOf(parseMountinfo(await readFile("/proc/self/mountinfo", "utf8")), await realpath(source));
  if (isShared || (isSlave && propagation.endsWith("slave"))) return;
  const wanted = propagation.endsWith("slave") ? "shared or slave" : "shared";
  throw new ClusterError("invalid_argument", `path ${source} is mounted on ${mountPoint} but it is not a ${wanted} mount`);
}

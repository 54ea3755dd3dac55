import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError, systemCodeOf } from "../base/errors.js";
import type { ContainerConfig, ContainerDevice } from "./container-config.js";

/** A node to be made in a container's /dev. */
export interface DeviceNode {
  /** Below /dev. */
  readonly name: string;
  readonly isBlock: boolean;
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
}

export interface DevicePlan {
  readonly nodes: readonly DeviceNode[];
  /** For the devices controller; all for a privileged container, null when there is nothing but the usual. */
  readonly rules: readonly string[] | "all" | null;
}

/** What a container has of its own in /dev: terminals, memory shared between processes, message queues. */
const OWN_FOLDERS = new Set(["pts", "shm", "mqueue", "fd", "console", "ptmx"]);

/** Throws `invalid_argument` for what is no device. */
export async function planDevices(config: Pick<ContainerConfig, "devices" | "isPrivileged">): Promise<DevicePlan> {
  const asked = await Promise.all(config.devices.map(async (device) => ({ device, node: await nodeOf(device) })));
  const nodes = asked.map(({ node }) => node);
  if (config.isPrivileged) return { nodes: [...nodes, ...(await devicesOfHost("/dev", ""))], rules: "all" };
  const rules = asked.map(({ device, node }) => `${node.isBlock ? "b" : "c"} ${node.major}:${node.minor} ${device.permissions}`);
  return { nodes, rules: rules.length === 0 ? null : rules };
}

async function nodeOf(device: ContainerDevice): Promise<DeviceNode> {
  const refuse = (reason: string, cause?: unknown) =>
    new ClusterError("invalid_argument", `error gathering device information while adding custom device "${device.source}": ${reason}`, { cause });
  if (!/^[rwm]+$/.test(device.permissions)) throw refuse(`its permissions "${device.permissions}" are not of r, w and m`);
  const parts = device.target.split("/").slice(2);
  if (!device.target.startsWith("/dev/") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw refuse(`its path in the container, "${device.target}", is not below /dev`);
  }
  try {
    const node = await readNode(device.source, parts.join("/"));
    if (node !== null) return node;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") throw refuse("no such file or directory", cause);
    throw cause;
  }
  throw refuse("not a device node");
}

async function devicesOfHost(folder: string, prefix: string): Promise<readonly DeviceNode[]> {
  const nodes: DeviceNode[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const name = `${prefix}${entry.name}`;
    if (OWN_FOLDERS.has(name)) continue;
    if (entry.isDirectory()) nodes.push(...(await devicesOfHost(join(folder, entry.name), `${name}/`)));
    const node = entry.isCharacterDevice() || entry.isBlockDevice() ? await readNode(join(folder, entry.name), name) : null;
    if (node !== null) nodes.push(node);
  }
  return nodes;
}

/** Null for what is no device. */
async function readNode(path: string, name: string): Promise<DeviceNode | null> {
  const info = await stat(path, { bigint: true });
  if (!info.isCharacterDevice() && !info.isBlockDevice()) return null;
  return { name, isBlock: info.isBlockDevice(), ...deviceNumbers(info.rdev), mode: Number(info.mode & 0o777n) };
}

/** As makedev(3) puts them together. */
export function deviceNumbers(device: bigint): { readonly major: number; readonly minor: number } {
  return { major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)), minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)) };
}

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { ClusterError, type ErrorCode, messageOf, systemCodeOf } from "../base/errors.js";
import type { BridgeSettings, FileLock, Kernel, Link } from "./kernel.js";

/** What native/addon exports. Every call throws or rejects with an Error whose `code` is the symbolic error. */
interface Addon {
  createBridge(name: string, address: string, mtu: number): Promise<void>;
  deleteLink(name: string): Promise<boolean>;
  listLinks(prefix: string): Promise<readonly Link[]>;
  addAddress(name: string, address: string): Promise<void>;
  setLinkUp(name: string, isUp: boolean): Promise<void>;
  lockFile(path: string): number;
  closeFile(descriptor: number): void;
  sendDatagram(path: string, data: Uint8Array): void;
  killGroup(path: string): Promise<void>;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  EINVAL: "invalid_argument",
  ENODEV: "not_found",
  ENOENT: "not_found",
  EEXIST: "already_exists",
  EPERM: "permission_denied",
  EACCES: "permission_denied",
  EAGAIN: "failed_precondition",
  EBUSY: "failed_precondition",
  ECONNREFUSED: "unavailable",
};

/** The kernel of this machine, through the addon that `make -C native` builds. Throws `failed_precondition` when it was not built. */
export function openKernel(addonPath: string = fileURLToPath(new URL("../../native/build/addon.node", import.meta.url))): Kernel {
  const addon = loadAddon(addonPath);
  return {
    createBridge: (bridge: BridgeSettings) => translate(addon.createBridge(bridge.name, bridge.address, bridge.mtu)),
    deleteLink: (name) => translate(addon.deleteLink(name)),
    listLinks: (prefix) => translate(addon.listLinks(prefix)),
    addAddress: (name, cidr) => translate(addon.addAddress(name, cidr)),
    setLinkUp: (name, isUp) => translate(addon.setLinkUp(name, isUp)),
    lockFile: (path) => lockFile(addon, path),
    killGroup: (path) => translate(addon.killGroup(path)),
    sendDatagram(path, data) {
      try {
        addon.sendDatagram(path, data);
      } catch (cause) {
        throw kernelError(cause);
      }
    },
  };
}

function loadAddon(path: string): Addon {
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    throw new ClusterError("failed_precondition", `native addon ${path} cannot be loaded (npm run build makes it): ${messageOf(cause)}`, { cause });
  }
}

function lockFile(addon: Addon, path: string): FileLock {
  try {
    const descriptor = addon.lockFile(path);
    return { release: () => addon.closeFile(descriptor) };
  } catch (cause) {
    if (systemCodeOf(cause) === "EAGAIN") throw new ClusterError("failed_precondition", `${path} is locked by another process`, { cause });
    throw kernelError(cause);
  }
}

async function translate<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    throw kernelError(cause);
  }
}

function kernelError(cause: unknown): ClusterError {
  const errno = systemCodeOf(cause) ?? "";
  return new ClusterError(CODES[errno] ?? "internal", messageOf(cause), { cause, details: { errno } });
}

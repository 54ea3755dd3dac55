import { ClusterError } from "../base/errors.js";
import type { BridgeSettings, FileLock, Kernel, Link } from "./kernel.js";

/** A kernel in memory that keeps what it was asked, for tests of those who use one. */
export class RecordingKernel implements Kernel {
  /** One line per call: `createBridge br0 10.0.0.1/24 1500`. */
  readonly calls: string[] = [];
  readonly #links = new Map<string, Link>();
  readonly #addresses = new Map<string, Set<string>>();
  readonly #locked = new Set<string>();
  #lastIndex = 1;

  /** Addresses given to a link, oldest first. */
  addressesOf(name: string): readonly string[] {
    return [...(this.#addresses.get(name) ?? [])];
  }

  /** Adds a link that someone else made. */
  plugIn(name: string, kind: string): void {
    this.#links.set(name, { index: ++this.#lastIndex, name, kind, macAddress: "02:00:00:00:00:01", mtu: 1500, isUp: false, master: 0 });
  }

  sendDatagram(path: string, data: Uint8Array): void {
    this.calls.push(`sendDatagram ${path} ${data.length}`);
  }

  async killGroup(path: string): Promise<void> {
    this.calls.push(`killGroup ${path}`);
  }

  async createBridge(bridge: BridgeSettings): Promise<void> {
    this.calls.push(`createBridge ${bridge.name} ${bridge.address} ${bridge.mtu}`);
    const found = this.#links.get(bridge.name);
    if (found !== undefined && found.kind !== "bridge") throw new ClusterError("already_exists", `link ${bridge.name} is not a bridge`);
    if (found === undefined) this.plugIn(bridge.name, "bridge");
    this.#addresses.set(bridge.name, new Set([bridge.address]));
    this.#change(bridge.name, { isUp: true, mtu: bridge.mtu });
  }

  async deleteLink(name: string): Promise<boolean> {
    this.calls.push(`deleteLink ${name}`);
    this.#addresses.delete(name);
    return this.#links.delete(name);
  }

  async listLinks(prefix: string): Promise<readonly Link[]> {
    return [...this.#links.values()].filter((link) => link.name.startsWith(prefix));
  }

  async addAddress(name: string, cidr: string): Promise<void> {
    this.calls.push(`addAddress ${name} ${cidr}`);
    this.#change(name, {});
    this.#addresses.set(name, new Set([...this.addressesOf(name), cidr]));
  }

  async setLinkUp(name: string, isUp: boolean): Promise<void> {
    this.calls.push(`setLinkUp ${name} ${isUp}`);
    this.#change(name, { isUp });
  }

  lockFile(path: string): FileLock {
    this.calls.push(`lockFile ${path}`);
    if (this.#locked.has(path)) throw new ClusterError("failed_precondition", `${path} is locked by another process`);
    this.#locked.add(path);
    return { release: () => this.#locked.delete(path) };
  }

  #change(name: string, change: Partial<Link>): void {
    const link = this.#links.get(name);
    if (link === undefined) throw new ClusterError("not_found", `link ${name} not found`);
    this.#links.set(name, { ...link, ...change });
  }
}

/**
 * What the daemon asks of Linux and Node.js cannot do itself. Network calls act in the network namespace of the daemon, by raw
 * netlink on a worker thread: they never block the event loop. Failures of the kernel are ClusterError with the call and the
 * kernel's reason in the text, and the symbolic error (`EBUSY`) in `details.errno`.
 */
export interface Kernel {
  /** Makes the bridge, or brings an existing one into this state; up at the end. Throws `already_exists` when the name belongs to another kind of link. */
  createBridge(bridge: BridgeSettings): Promise<void>;
  /** Removes a link and its peer; false when there was none. */
  deleteLink(name: string): Promise<boolean>;
  /** Links whose name begins with `prefix`, in the order of their index. */
  listLinks(prefix: string): Promise<readonly Link[]>;
  /** Does nothing when the link has the address already. Throws `not_found` for an unknown link. */
  addAddress(name: string, cidr: string): Promise<void>;
  setLinkUp(name: string, isUp: boolean): Promise<void>;
  /**
   * Opens (making it with mode 0600 when missing) and locks a file for this process. The kernel releases it when the process ends in any way.
   * Throws `failed_precondition` when another process holds it.
   */
  lockFile(path: string): FileLock;
  /** Sends one datagram to a unix socket, at once. Throws `failed_precondition` when its receiver has no room, `not_found` or `unavailable` when there is none. */
  sendDatagram(path: string, data: Uint8Array): void;
  /** Kills every process that is in a cgroup, or below it, now: none that got the number of one that ended meanwhile. Does nothing for a group that is gone. */
  killGroup(path: string): Promise<void>;
}

export interface BridgeSettings {
  /** At most 15 bytes. */
  readonly name: string;
  /** IPv4 CIDR of the bridge itself: `172.30.0.1/24`. */
  readonly address: string;
  readonly mtu: number;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`, `vxlan`; empty for a link without a kind, such as a physical one. */
  readonly kind: string;
  readonly macAddress: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Index of the bridge that it is a port of; 0 for none. */
  readonly master: number;
}

/** Held until released or until the process ends. */
export interface FileLock {
  release(): void;
}

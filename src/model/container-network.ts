/** A veth pair made at start: one end in the container as eth0, the other a port of `bridge`. Made by network/. */
export interface ContainerNetwork {
  readonly bridge: string;
  readonly hostInterface: string;
  readonly macAddress: string;
  /** CIDR. */
  readonly address: string;
  readonly gateway: string;
  readonly mtu: number;
}

import type { PortConfig } from "./objects.js";

/** A port of one host that leads to a container of it: on one of the host's addresses alone, and chosen from a range, where that was asked for. */
export interface HostPort extends PortConfig {
  /** IPv4; left out, it is each address of the host. */
  readonly address?: string;
  /** Any port from `publishedPort` to this one will do; left out, `publishedPort` alone. Never in what was given. */
  readonly lastPort?: number;
}

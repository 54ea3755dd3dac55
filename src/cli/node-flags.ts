import type { Command } from "commander";
import { parseChoice } from "./quantities.js";

/** What `init` and `join` say of the node that becomes part of a swarm. */
export interface NodeFlags {
  readonly listenAddr: string;
  readonly advertiseAddr?: string;
  readonly availability: string;
  readonly dataPathAddr?: string;
}

export function addNodeFlags(command: Command): Command {
  return command
    .option("--listen-addr <address>", "ip|interface[:port] to listen on", "0.0.0.0:2377")
    .option("--advertise-addr <address>", "ip|interface[:port] that other nodes dial")
    .option("--availability <availability>", "active, pause or drain", "active")
    .option("--data-path-addr <address>", "ip|interface for the traffic of overlay networks, once there are such (default as --advertise-addr)");
}

/** The same, as fields of the request. Throws a CommandFailure. */
export function nodeFields({ listenAddr, advertiseAddr, availability, dataPathAddr }: NodeFlags): Readonly<Record<string, string>> {
  return {
    ListenAddr: listenAddr,
    AdvertiseAddr: advertiseAddr ?? "",
    DataPathAddr: dataPathAddr ?? "",
    Availability: parseChoice(availability, "availability", ["active", "pause", "drain"]),
  };
}

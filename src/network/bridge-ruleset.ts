import type { PortConfig } from "../model/objects.js";

/** What the rules of one host's bridge are about. */
export interface BridgeRules {
  readonly table: string;
  readonly bridge: string;
  readonly subnet: string;
}

export interface PublishedPort {
  readonly port: PortConfig;
  /** Of the container, without prefix. */
  readonly address: string;
}

/**
 * Commands that replace the whole table in one transaction. Connections that are open go on: the kernel keeps their translation.
 *
 * Published ports are elements of one map, so that a container that comes or goes changes no rule. Packets of the host itself, also to
 * 127.0.0.1, pass `output`; those of others `prerouting`. What came from loopback, or from a container of the same bridge, is
 * masqueraded so that the answer takes the way back through the translation. From outside only published ports reach a container.
 */
export function replaceTable(rules: BridgeRules, published: readonly PublishedPort[]): readonly string[] {
  const { table, bridge, subnet } = rules;
  const dnat = "fib daddr type local dnat ip to meta l4proto . th dport map @host_ports";
  return [
    `add table ip ${table}`,
    `delete table ip ${table}`,
    `add table ip ${table}`,
    `add map ip ${table} host_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add chain ip ${table} prerouting { type nat hook prerouting priority dstnat; policy accept; }`,
    `add rule ip ${table} prerouting ${dnat}`,
    `add chain ip ${table} output { type nat hook output priority -100; policy accept; }`,
    `add rule ip ${table} output ${dnat}`,
    `add chain ip ${table} postrouting { type nat hook postrouting priority srcnat; policy accept; }`,
    `add rule ip ${table} postrouting ip saddr ${subnet} oifname != "${bridge}" masquerade`,
    `add rule ip ${table} postrouting oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade`,
    `add rule ip ${table} postrouting oifname "${bridge}" ip saddr ${subnet} ct status dnat masquerade`,
    `add chain ip ${table} forward { type filter hook forward priority filter; policy accept; }`,
    `add rule ip ${table} forward iifname "${bridge}" accept`,
    `add rule ip ${table} forward oifname "${bridge}" ct state established,related accept`,
    `add rule ip ${table} forward oifname "${bridge}" ct status dnat accept`,
    `add rule ip ${table} forward oifname "${bridge}" drop`,
    ...publishPorts(rules, published),
  ];
}

/** Commands for nft that lead ports of the host to containers. */
export function publishPorts({ table }: BridgeRules, published: readonly PublishedPort[]): readonly string[] {
  if (published.length === 0) return [];
  return [`add element ip ${table} host_ports { ${published.map((port) => `${keyOf(port)} : ${port.address} . ${port.port.targetPort}`).join(", ")} }`];
}

/** Works also for ports that are not published: what is added first cannot be missing. */
export function withdrawPorts(rules: BridgeRules, published: readonly PublishedPort[]): readonly string[] {
  if (published.length === 0) return [];
  return [...publishPorts(rules, published), `delete element ip ${rules.table} host_ports { ${published.map(keyOf).join(", ")} }`];
}

function keyOf({ port }: PublishedPort): string {
  return `${port.protocol} . ${port.publishedPort}`;
}

/** Works also when there is no such table. */
export function removeTable({ table }: BridgeRules): readonly string[] {
  return [`add table ip ${table}`, `delete table ip ${table}`];
}

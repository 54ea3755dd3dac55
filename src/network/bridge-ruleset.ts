import type { HostPort } from "../model/host-port.js";

/** What the rules of one host's bridge are about. */
export interface BridgeRules {
  readonly table: string;
  readonly bridge: string;
  readonly subnet: string;
}

export interface PublishedPort {
  readonly port: HostPort;
  /** Of the container, without prefix. What the port itself says is one of the host's. */
  readonly address: string;
}

/**
 * Commands that replace the whole table in one transaction. Connections that are open go on: the kernel keeps their translation.
 *
 * Published ports are elements of two maps, those on one address of the host and those on each, so that a container that comes or goes changes no rule. Packets of the host itself, also to
 * 127.0.0.1, pass `output`; those of others `prerouting`. What came from loopback, or from a container of the same bridge, is
 * masqueraded so that the answer takes the way back through the translation. From outside only published ports reach a container. What others send to a loopback address of the host,
 * which route_localnet would let in from the bridge, is dropped before it is translated (CVE-2020-8558): a port on 127.0.0.1 is the host's own.
 */
export function replaceTable(rules: BridgeRules, published: readonly PublishedPort[]): readonly string[] {
  const { table, bridge, subnet } = rules;
  const toOne = "fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @address_ports";
  const toEach = "fib daddr type local dnat ip to meta l4proto . th dport map @host_ports";
  return [
    `add table ip ${table}`,
    `delete table ip ${table}`,
    `add table ip ${table}`,
    `add map ip ${table} host_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add map ip ${table} address_ports { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add chain ip ${table} loopback { type filter hook prerouting priority mangle; policy accept; }`,
    `add rule ip ${table} loopback iifname != "lo" ip daddr 127.0.0.0/8 ct state != established,related drop`,
    `add chain ip ${table} prerouting { type nat hook prerouting priority dstnat; policy accept; }`,
    `add rule ip ${table} prerouting ${toOne}`,
    `add rule ip ${table} prerouting ${toEach}`,
    `add chain ip ${table} output { type nat hook output priority -100; policy accept; }`,
    `add rule ip ${table} output ${toOne}`,
    `add rule ip ${table} output ${toEach}`,
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
  return changeMaps("add", table, published, (port) => `${keyOf(port)} : ${port.address} . ${port.port.targetPort}`);
}

/** Works also for ports that are not published: what is added first cannot be missing. */
export function withdrawPorts(rules: BridgeRules, published: readonly PublishedPort[]): readonly string[] {
  return [...publishPorts(rules, published), ...changeMaps("delete", rules.table, published, keyOf)];
}

function changeMaps(verb: string, table: string, published: readonly PublishedPort[], text: (port: PublishedPort) => string): readonly string[] {
  const onOne = published.filter(({ port }) => port.address !== undefined);
  const onEach = published.filter(({ port }) => port.address === undefined);
  const change = (map: string, ports: readonly PublishedPort[]) =>
    ports.length === 0 ? [] : [`${verb} element ip ${table} ${map} { ${ports.map(text).join(", ")} }`];
  return [...change("host_ports", onEach), ...change("address_ports", onOne)];
}

function keyOf({ port }: PublishedPort): string {
  return `${port.address === undefined ? "" : `${port.address} . `}${port.protocol} . ${port.publishedPort}`;
}

/** Works also when there is no such table. */
export function removeTable({ table }: BridgeRules): readonly string[] {
  return [`add table ip ${table}`, `delete table ip ${table}`];
}

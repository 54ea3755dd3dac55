import type { ContainerPort } from "../shapes.js";

interface Range {
  readonly where: string;
  readonly type: string;
  first: number;
  last: number;
}

/** Ports of a container as docker lists them: neighbours that keep their numbers as a range, `0.0.0.0:80-81->80-81/tcp`. */
export function portWords(ports: readonly ContainerPort[]): string {
  const ended: string[] = [];
  const open = new Map<string, Range>();
  const moved: string[] = [];
  for (const port of ports.toSorted(inOrder)) {
    const { IP = "", PrivatePort, PublicPort, Type } = port;
    if (IP !== "" && PublicPort !== PrivatePort) {
      moved.push(`${IP}:${PublicPort}->${PrivatePort}/${Type}`);
      continue;
    }
    const key = `${IP}/${Type}`;
    const range = open.get(key);
    if (range !== undefined && PrivatePort === range.last + 1) {
      range.last = PrivatePort;
      continue;
    }
    if (range !== undefined) ended.push(rangeWords(range));
    open.delete(key);
    open.set(key, { where: IP, type: Type, first: PrivatePort, last: PrivatePort });
  }
  return [...ended, ...[...open.values()].map(rangeWords), ...moved].join(", ");
}

function rangeWords({ where, type, first, last }: Range): string {
  const range = first === last ? `${first}` : `${first}-${last}`;
  return `${where === "" ? range : `${where}:${range}->${range}`}/${type}`;
}

function inOrder(a: ContainerPort, b: ContainerPort): number {
  return a.PrivatePort - b.PrivatePort || compare(a.IP ?? "", b.IP ?? "") || (a.PublicPort ?? 0) - (b.PublicPort ?? 0) || compare(a.Type, b.Type);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

import { misuse } from "../failure.js";
import { parseFields } from "../quantities.js";

export interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}

/** `80/tcp`, and where on the host it is found. */
export type PortBindings = Readonly<Record<string, readonly PortBinding[]>>;

const PORT_MAX = 65_535;
const SHORT = /^(?:(?:(\[[0-9a-f:.]+\]|[0-9.]+):)?(\d+(?:-\d+)?)?:)?(\d+(?:-\d+)?)(?:\/(tcp|udp|sctp))?$/i;

/** What -p says: `[[address:]host-port:]port[/protocol]`, each a number or a range, or fields as in `published=8080,target=80`. */
export function parsePublished(texts: readonly string[]): PortBindings {
  const bindings: Record<string, PortBinding[]> = {};
  for (const text of texts) {
    const { address, published, target, protocol } = text.includes("=") ? fieldsOf(text) : shortOf(text);
    const [targets, hosts] = [rangeOf(target, text), published === "" ? [] : rangeOf(published, text)];
    if (hosts.length > 1 && targets.length > 1 && hosts.length !== targets.length) throw misuse(`--publish "${text}": the ranges are not of the same length`);
    targets.forEach((port, index) => {
      // One port and a range of the host's: any of these will do.
      const host = hosts.length > targets.length ? published : String(hosts[index] ?? "");
      bindings[`${port}/${protocol}`] = [...(bindings[`${port}/${protocol}`] ?? []), { HostIp: address, HostPort: host }];
    });
  }
  return bindings;
}

/** What --expose says: `port[-port][/protocol]`. */
export function parseExposed(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => {
    const [, ports = "", protocol = "tcp"] = /^(\d+(?:-\d+)?)(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
    return rangeOf(ports, text, "expose").map((port) => `${port}/${protocol.toLowerCase()}`);
  });
}

function shortOf(text: string) {
  const match = SHORT.exec(text);
  if (match === null) throw misuse(`--publish "${text}" is not [[address:]host-port:]port[/protocol]`);
  const [, address = "", published = "", target = "", protocol = "tcp"] = match;
  return { address: address.replace(/^\[|\]$/g, ""), published, target, protocol: protocol.toLowerCase() };
}

function fieldsOf(text: string) {
  const fields = parseFields(text, "publish");
  const wrong = [...fields.keys()].find((key) => !["target", "published", "protocol", "mode"].includes(key));
  if (wrong !== undefined) throw misuse(`--publish "${text}": "${wrong}" is none of target, published, protocol`);
  return { address: "", published: fields.get("published") ?? "", target: fields.get("target") ?? "", protocol: fields.get("protocol") ?? "tcp" };
}

function rangeOf(text: string, whole: string, flag = "publish"): readonly number[] {
  const [first = Number.NaN, last = first] = text.split("-").map(Number);
  if (text === "" || !(first >= 1 && last >= first && last <= PORT_MAX)) throw misuse(`--${flag} "${whole}": "${text}" is not a port or a range of ports`);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

import { readPairFiles, withOwnValue } from "../container/env-file.js";
import { healthFromFlags } from "../health-flags.js";
import { parseMount } from "../mount-flag.js";
import { parseDuration, parsePair } from "../quantities.js";
import type { ContainerSpecJson } from "../shapes.js";
import { shellWords } from "../shell-words.js";
import { parseUlimit } from "../ulimit.js";
import type { CommonFlags } from "./flags.js";
import { editList, editPairs, listEdits } from "./list-edits.js";

/** Puts what the flags say of a service's containers into their spec. Throws a CommandFailure that names the flag. */
export function applyContainer(container: ContainerSpecJson, flags: CommonFlags): void {
  if (flags.args !== undefined) container.Args = shellWords(flags.args, "args");
  if (flags.entrypoint !== undefined) container.Command = shellWords(flags.entrypoint, "entrypoint");
  if (flags.hostname !== undefined) container.Hostname = flags.hostname;
  if (flags.workdir !== undefined) container.Dir = flags.workdir;
  if (flags.user !== undefined) container.User = flags.user;
  if (flags.readOnly !== undefined) container.ReadOnly = flags.readOnly;
  if (flags.stopSignal !== undefined) container.StopSignal = flags.stopSignal;
  if (flags.stopGracePeriod !== undefined) container.StopGracePeriod = parseDuration(flags.stopGracePeriod, "stop-grace-period");
  if (flags.init !== undefined) container.Init = flags.init;
  if (flags.isolation !== undefined) container.Isolation = flags.isolation;
  if (flags.tty !== undefined) container.TTY = flags.tty;
  applyCapabilities(container, flags);
  const health = healthFromFlags(flags, container.Healthcheck);
  if (health !== undefined) container.Healthcheck = health;
  editPairs(flags, "container-label", container.Labels, (labels) => Object.assign(container, { Labels: labels }));
  editPairs(flags, "sysctl", container.Sysctls, (sysctls) => Object.assign(container, { Sysctls: sysctls }));
  if (flags.envFile !== undefined) container.Env = [...readPairFiles(flags.envFile, "env-file")];
  editList(
    flags,
    "env",
    container.Env,
    (env) => Object.assign(container, { Env: env.map(withOwnValue) }),
    (entry) => parsePair(entry, "env")[0],
  );
  editList(flags, "group", container.Groups, (groups) => Object.assign(container, { Groups: groups }));
  editList(
    flags,
    "host",
    container.Hosts,
    (hosts) => Object.assign(container, { Hosts: hosts.map(hostLine) }),
    (line) => hostLine(line).split(" ")[1] ?? line,
  );
  applyDns(container, flags);
  applyMounts(container, flags);
  applyUlimits(container, flags);
}

function applyDns(container: ContainerSpecJson, flags: CommonFlags): void {
  const dns = { ...container.DNSConfig };
  editList(flags, "dns", dns.Nameservers, (list) => Object.assign(dns, { Nameservers: list }));
  editList(flags, "dns-option", dns.Options, (list) => Object.assign(dns, { Options: list }));
  editList(flags, "dns-search", dns.Search, (list) => Object.assign(dns, { Search: list }));
  if (Object.keys(dns).length > 0) container.DNSConfig = dns;
}

/** One that is added is dropped no more, and the other way round; those that the flags do not name stay. */
function applyCapabilities(container: ContainerSpecJson, { capAdd = [], capDrop = [] }: CommonFlags): void {
  if (capAdd.length + capDrop.length === 0) return;
  const bare = (name: string) => name.toUpperCase().replace(/^CAP_/, "");
  const edited = (present: readonly string[] | undefined, more: readonly string[], less: readonly string[]) => {
    const named = new Set([...more, ...less].map(bare));
    return [...(present ?? []).filter((name) => !named.has(bare(name))), ...more];
  };
  container.CapabilityAdd = edited(container.CapabilityAdd, capAdd, capDrop);
  container.CapabilityDrop = edited(container.CapabilityDrop, capDrop, capAdd);
}

function applyMounts(container: ContainerSpecJson, flags: CommonFlags): void {
  const { add, remove } = listEdits(flags, "mount");
  if (add.length + remove.length === 0) return;
  const added = add.map(parseMount);
  const replaced = new Set([...remove, ...added.map((mount) => mount.Target)]);
  container.Mounts = [...(container.Mounts ?? []).filter((mount) => !replaced.has(mount.Target)), ...added];
}

function applyUlimits(container: ContainerSpecJson, flags: CommonFlags): void {
  const { add, remove } = listEdits(flags, "ulimit");
  if (add.length + remove.length === 0) return;
  const added = add.map(parseUlimit);
  const replaced = new Set([...remove, ...added.map((limit) => limit.Name)]);
  container.Ulimits = [...(container.Ulimits ?? []).filter((limit) => !replaced.has(limit.Name)), ...added];
}

/** `name:address` to the "address name" of the spec; what already has that form stays. */
function hostLine(text: string): string {
  if (text.includes(" ")) return text;
  const at = text.indexOf(":");
  return at < 0 ? ` ${text}` : `${text.slice(at + 1)} ${text.slice(0, at)}`;
}

import type { ContainerSpec, DnsConfig, HealthConfig, Privileges, Ulimit } from "../../../model/objects.js";
import { type Json, jsonInteger } from "../json.js";
import type { Fields } from "./fields.js";
import { mountFromDocker, mountToDocker } from "./mount.js";
import { configReferenceFromDocker, configReferenceToDocker, secretReferenceFromDocker, secretReferenceToDocker } from "./references.js";
import { sameWords } from "./words.js";
import { optionalInteger, unlessBlank, unlessEmpty, unlessFalse, unlessZero } from "./zero-values.js";

const COUNT_MAX = 2 ** 31 - 1;

export function containerSpecFromDocker(fields: Fields, registryAuth: string): ContainerSpec {
  const stopGracePeriodNs = fields.optionalInteger("StopGracePeriod");
  const init = fields.optionalBoolean("Init");
  const spec: ContainerSpec = {
    image: fields.string("Image"),
    labels: fields.record("Labels"),
    command: fields.strings("Command"),
    args: fields.strings("Args"),
    hostname: fields.string("Hostname"),
    env: fields.strings("Env"),
    dir: fields.string("Dir"),
    user: fields.string("User"),
    groups: fields.strings("Groups"),
    tty: fields.boolean("TTY"),
    openStdin: fields.boolean("OpenStdin"),
    readOnly: fields.boolean("ReadOnly"),
    stopSignal: fields.string("StopSignal"),
    ...(stopGracePeriodNs === undefined ? {} : { stopGracePeriodNs }),
    ...(init === undefined ? {} : { init }),
    mounts: fields.children("Mounts", mountFromDocker),
    healthcheck: healthFromDocker(fields.child("Healthcheck")),
    hosts: fields.strings("Hosts"),
    dns: dnsFromDocker(fields.child("DNSConfig")),
    secrets: fields.children("Secrets", secretReferenceFromDocker),
    configs: fields.children("Configs", configReferenceFromDocker),
    isolation: fields.word("Isolation", { default: "", process: "process", hyperv: "hyperv" }, ""),
    sysctls: fields.record("Sysctls"),
    capabilityAdd: fields.strings("CapabilityAdd"),
    capabilityDrop: fields.strings("CapabilityDrop"),
    ulimits: fields.children("Ulimits", ulimitFromDocker),
    oomScoreAdj: fields.integer("OomScoreAdj"),
    privileges: privilegesFromDocker(fields.child("Privileges")),
    registryAuth,
  };
  fields.end();
  return spec;
}

/** Everything but the registry credentials, which are never shown. */
export function containerSpecToDocker(spec: ContainerSpec): Json {
  return {
    Image: unlessEmpty(spec.image),
    Labels: unlessEmpty(spec.labels),
    Command: unlessEmpty(spec.command),
    Args: unlessEmpty(spec.args),
    Hostname: unlessEmpty(spec.hostname),
    Env: unlessEmpty(spec.env),
    Dir: unlessEmpty(spec.dir),
    User: unlessEmpty(spec.user),
    Groups: unlessEmpty(spec.groups),
    Privileges: privilegesToDocker(spec.privileges),
    Init: spec.init,
    StopSignal: unlessEmpty(spec.stopSignal),
    TTY: unlessFalse(spec.tty),
    OpenStdin: unlessFalse(spec.openStdin),
    ReadOnly: unlessFalse(spec.readOnly),
    Mounts: unlessEmpty(spec.mounts.map(mountToDocker)),
    StopGracePeriod: optionalInteger(spec.stopGracePeriodNs),
    Healthcheck: healthToDocker(spec.healthcheck),
    Hosts: unlessEmpty(spec.hosts),
    DNSConfig: dnsToDocker(spec.dns),
    Secrets: unlessEmpty(spec.secrets.map(secretReferenceToDocker)),
    Configs: unlessEmpty(spec.configs.map(configReferenceToDocker)),
    Isolation: spec.isolation === "" ? "default" : spec.isolation,
    Sysctls: unlessEmpty(spec.sysctls),
    CapabilityAdd: unlessEmpty(spec.capabilityAdd),
    CapabilityDrop: unlessEmpty(spec.capabilityDrop),
    Ulimits: unlessEmpty(spec.ulimits.map((ulimit) => ({ Name: ulimit.name, Hard: jsonInteger(ulimit.hard), Soft: jsonInteger(ulimit.soft) }))),
    OomScoreAdj: unlessZero(spec.oomScoreAdj),
  };
}

function healthFromDocker(fields: Fields | null): HealthConfig | null {
  if (fields === null) return null;
  const health: HealthConfig = {
    test: fields.strings("Test"),
    intervalNs: fields.integer("Interval"),
    timeoutNs: fields.integer("Timeout"),
    retries: fields.count("Retries", COUNT_MAX),
    startPeriodNs: fields.integer("StartPeriod"),
    startIntervalNs: fields.integer("StartInterval"),
  };
  fields.end();
  return health;
}

function healthToDocker(health: HealthConfig | null): Json {
  if (health === null) return undefined;
  return {
    Test: unlessEmpty(health.test),
    Interval: unlessZero(health.intervalNs),
    Timeout: unlessZero(health.timeoutNs),
    StartPeriod: unlessZero(health.startPeriodNs),
    StartInterval: unlessZero(health.startIntervalNs),
    Retries: unlessZero(health.retries),
  };
}

function dnsFromDocker(fields: Fields | null): DnsConfig | null {
  if (fields === null) return null;
  const dns: DnsConfig = { nameservers: fields.strings("Nameservers"), search: fields.strings("Search"), options: fields.strings("Options") };
  fields.end();
  return unlessBlank(dns);
}

function dnsToDocker(dns: DnsConfig | null): Json {
  if (dns === null) return {};
  return { Nameservers: unlessEmpty(dns.nameservers), Search: unlessEmpty(dns.search), Options: unlessEmpty(dns.options) };
}

function ulimitFromDocker(fields: Fields): Ulimit {
  const ulimit: Ulimit = { name: fields.string("Name"), soft: fields.integer("Soft"), hard: fields.integer("Hard") };
  fields.end();
  return ulimit;
}

function privilegesFromDocker(fields: Fields | null): Privileges | null {
  if (fields === null) return null;
  const seccomp = fields.child("Seccomp");
  const apparmor = fields.child("AppArmor");
  const privileges: Privileges = {
    noNewPrivileges: fields.boolean("NoNewPrivileges"),
    seccompMode: seccomp?.word("Mode", sameWords("default", "unconfined", "custom"), "") ?? "",
    seccompProfile: seccomp?.bytes("Profile") ?? new Uint8Array(),
    apparmorMode: apparmor?.word("Mode", sameWords("default", "disabled"), "") ?? "",
  };
  seccomp?.end();
  apparmor?.end();
  fields.end();
  return unlessBlank(privileges);
}

function privilegesToDocker(privileges: Privileges | null): Json {
  if (privileges === null) return undefined;
  const hasSeccomp = privileges.seccompMode !== "" || privileges.seccompProfile.length > 0;
  return {
    Seccomp: hasSeccomp
      ? { Mode: unlessEmpty(privileges.seccompMode), Profile: unlessEmpty(Buffer.from(privileges.seccompProfile).toString("base64")) }
      : undefined,
    AppArmor: privileges.apparmorMode === "" ? undefined : { Mode: privileges.apparmorMode },
    NoNewPrivileges: unlessFalse(privileges.noNewPrivileges),
  };
}

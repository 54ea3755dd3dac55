import { resolve } from "node:path";
import { misuse } from "../failure.js";
import { parseMount } from "../mount-flag.js";
import { parseBytes, parseCount, parsePair } from "../quantities.js";
import { parseUlimit } from "../ulimit.js";
import type { CreateFlags } from "./create-flags.js";
import type { PortBindings } from "./ports.js";
import { parseInteger, resourcesOf } from "./resource-flags.js";
import { parseSecurityOptions } from "./security-options.js";
import { terminalSize } from "./terminal.js";

type Fields = Readonly<Record<string, unknown>>;

/** The HostConfig that the flags come to: what was not asked for is left to the daemon. Throws a CommandFailure that names the flag. */
export function hostConfigOf(flags: CreateFlags, portBindings: PortBindings): Fields {
  const size = flags.tty === true ? terminalSize() : undefined;
  const asked = withoutUndefined({
    ...resourcesOf(flags),
    ...plain(flags),
    ...disksOf(flags),
    Binds: (flags.volume ?? []).filter((text) => text.includes(":")).map(bindOf),
    Mounts: flags.mount?.map(parseMount),
    Tmpfs: flags.tmpfs === undefined ? undefined : Object.fromEntries(flags.tmpfs.map(tmpfsOf)),
    PortBindings: Object.keys(portBindings).length === 0 ? undefined : portBindings,
    LogConfig:
      flags.logDriver === undefined && flags.logOpt === undefined ? undefined : { Type: flags.logDriver ?? "", Config: pairs(flags.logOpt, "log-opt") },
    Devices: flags.device?.map(deviceOf),
    DeviceRequests: flags.gpus === undefined ? undefined : [gpusOf(flags.gpus)],
    Ulimits: flags.ulimit?.map(parseUlimit),
    Sysctls: flags.sysctl === undefined ? undefined : pairs(flags.sysctl, "sysctl"),
    StorageOpt: flags.storageOpt === undefined ? undefined : pairs(flags.storageOpt, "storage-opt"),
    ShmSize: flags.shmSize === undefined ? undefined : parseBytes(flags.shmSize, "shm-size"),
    MemorySwappiness: flags.memorySwappiness === undefined ? undefined : parseInteger(flags.memorySwappiness, "memory-swappiness"),
    OomScoreAdj: flags.oomScoreAdj === undefined ? undefined : parseInteger(flags.oomScoreAdj, "oom-score-adj"),
    ConsoleSize: size,
  });
  return { ...asked, ...parseSecurityOptions(flags.securityOpt ?? []) };
}

/** Flags whose words are those of the API. */
function plain(flags: CreateFlags): Fields {
  return {
    AutoRemove: flags.rm,
    CapAdd: flags.capAdd,
    CapDrop: flags.capDrop,
    CgroupParent: flags.cgroupParent,
    CgroupnsMode: flags.cgroupns,
    ContainerIDFile: flags.cidfile,
    DeviceCgroupRules: flags.deviceCgroupRule,
    Dns: flags.dns,
    DnsOptions: flags.dnsOption,
    DnsSearch: flags.dnsSearch,
    ExtraHosts: flags.addHost,
    GroupAdd: flags.groupAdd,
    Init: flags.init,
    IpcMode: flags.ipc,
    Isolation: flags.isolation,
    Links: flags.link,
    OomKillDisable: flags.oomKillDisable,
    PidMode: flags.pid,
    Privileged: flags.privileged,
    PublishAllPorts: flags.publishAll,
    ReadonlyRootfs: flags.readOnly,
    Runtime: flags.runtime,
    UsernsMode: flags.userns,
    UTSMode: flags.uts,
    VolumeDriver: flags.volumeDriver,
    VolumesFrom: flags.volumesFrom,
  };
}

function disksOf(flags: CreateFlags): Fields {
  const limits = (flag: string, texts: readonly string[] | undefined, parse: (text: string, flag: string) => unknown, field = "Rate") =>
    texts?.map((text) => {
      const [path = "", amount] = text.split(":");
      if (!path.startsWith("/dev/") || amount === undefined) throw misuse(`--${flag} "${text}" is not a device and an amount, as in /dev/sda:1mb`);
      return { Path: path, [field]: parse(amount, flag) };
    });
  return {
    BlkioWeightDevice: limits("blkio-weight-device", flags.blkioWeightDevice, parseCount, "Weight"),
    BlkioDeviceReadBps: limits("device-read-bps", flags.deviceReadBps, parseBytes),
    BlkioDeviceReadIOps: limits("device-read-iops", flags.deviceReadIops, parseCount),
    BlkioDeviceWriteBps: limits("device-write-bps", flags.deviceWriteBps, parseBytes),
    BlkioDeviceWriteIOps: limits("device-write-iops", flags.deviceWriteIops, parseCount),
  };
}

/** A folder of this host is found from where the command runs. */
function bindOf(text: string): string {
  const [source = "", ...rest] = text.split(":");
  return [/^\.{1,2}(\/|$)/.test(source) ? resolve(source) : source, ...rest].join(":");
}

function tmpfsOf(text: string): readonly [string, string] {
  const at = text.indexOf(":");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function deviceOf(text: string) {
  const [source = "", second = "", third = ""] = text.split(":");
  const isPermissions = /^[rwm]{1,3}$/.test(second) && third === "";
  return {
    PathOnHost: source,
    PathInContainer: isPermissions || second === "" ? source : second,
    CgroupPermissions: third || (isPermissions ? second : "rwm"),
  };
}

function gpusOf(text: string) {
  return { Driver: "", Count: text === "all" ? -1 : parseCount(text, "gpus"), Capabilities: [["gpu"]] };
}

function pairs(texts: readonly string[] | undefined, flag: string): Readonly<Record<string, string>> {
  return Object.fromEntries((texts ?? []).map((text) => parsePair(text, flag)));
}

/** Without what was not asked for, empty lists too. */
export function withoutUndefined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)));
}

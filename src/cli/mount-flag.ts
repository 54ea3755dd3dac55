import { resolve } from "node:path";
import { misuse } from "./failure.js";
import { parseBytes, parseChoice, parsePair } from "./quantities.js";
import type { MountJson } from "./shapes.js";

const TYPES = ["bind", "volume", "tmpfs", "npipe", "cluster", "image"] as const;
type Change = (mount: MountJson, value: string) => void;

const setSource: Change = (mount, value) => {
  mount.Source = value;
};
const setTarget: Change = (mount, value) => {
  mount.Target = value;
};
const setReadOnly: Change = (mount, value) => {
  mount.ReadOnly = isOn(value, "readonly");
};
const volume = (mount: MountJson) => (mount.VolumeOptions ??= {});
const driver = (mount: MountJson) => (volume(mount).DriverConfig ??= {});

/** What each field of `--mount` does (swarm-surface 1.3). */
const FIELDS: Readonly<Record<string, Change>> = {
  type: (mount, value) => {
    mount.Type = parseChoice(value.toLowerCase(), "mount type", TYPES);
  },
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  readonly: setReadOnly,
  ro: setReadOnly,
  consistency: (mount, value) => {
    mount.Consistency = value;
  },
  "bind-propagation": (mount, value) => {
    mount.BindOptions = { ...mount.BindOptions, Propagation: value };
  },
  "bind-nonrecursive": (mount, value) => {
    mount.BindOptions = { ...mount.BindOptions, NonRecursive: isOn(value, "bind-nonrecursive") };
  },
  "bind-recursive": (mount, value) => {
    const mode = parseChoice(value, "mount bind-recursive", ["enabled", "disabled", "writable", "readonly"]);
    const options = { disabled: { NonRecursive: true }, writable: { ReadOnlyNonRecursive: true }, readonly: { ReadOnlyForceRecursive: true }, enabled: {} }[
      mode
    ];
    mount.BindOptions = { ...mount.BindOptions, ...options };
  },
  "bind-create-src": (mount, value) => {
    mount.BindOptions = { ...mount.BindOptions, CreateMountpoint: isOn(value, "bind-create-src") };
  },
  "volume-nocopy": (mount, value) => {
    volume(mount).NoCopy = isOn(value, "volume-nocopy");
  },
  "volume-label": (mount, value) => {
    volume(mount).Labels = { ...volume(mount).Labels, ...pairOf(value, "volume-label") };
  },
  "volume-driver": (mount, value) => {
    driver(mount).Name = value;
  },
  "volume-opt": (mount, value) => {
    driver(mount).Options = { ...driver(mount).Options, ...pairOf(value, "volume-opt") };
  },
  "volume-subpath": (mount, value) => {
    volume(mount).Subpath = value;
  },
  "image-subpath": (mount, value) => {
    mount.ImageOptions = { Subpath: value };
  },
  "tmpfs-size": (mount, value) => {
    mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: parseBytes(value, "mount tmpfs-size") };
  },
  "tmpfs-mode": (mount, value) => {
    if (!/^[0-7]{1,5}$/.test(value)) throw misuse(`--mount tmpfs-mode "${value}" is not an octal number`);
    mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(value, 8) };
  },
};
/** Whose presence says that they are wanted. */
const SWITCHES: readonly string[] = ["readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"];

/** `type=bind,source=./data,target=/data,readonly`; a field with a comma is in double quotes. Throws a CommandFailure that names the field. */
export function parseMount(text: string): MountJson {
  const mount: MountJson = { Type: "volume", Target: "" };
  for (const field of csvFields(text)) {
    const [key, value] = parsePair(field.trim(), "mount");
    const change = Object.hasOwn(FIELDS, key.toLowerCase()) ? FIELDS[key.toLowerCase()] : undefined;
    if (change === undefined) throw misuse(`--mount "${text}": there is no field "${key}"`);
    if (value === "" && !SWITCHES.includes(key.toLowerCase())) throw misuse(`--mount "${text}": ${key} needs a value`);
    change(mount, value);
  }
  if (mount.Target === "") throw misuse(`--mount "${text}" names no target`);
  for (const [kind, options] of [
    ["bind", mount.BindOptions],
    ["volume", mount.VolumeOptions],
    ["tmpfs", mount.TmpfsOptions],
  ] as const) {
    if (options !== undefined && mount.Type !== kind) throw misuse(`--mount "${text}": options of a ${kind} do not go with type=${mount.Type}`);
  }
  if (mount.Type === "bind" && mount.Source?.startsWith(".") === true) mount.Source = resolve(mount.Source);
  return mount;
}

function csvFields(text: string): readonly string[] {
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain = ""]) => quoted?.replaceAll('""', '"') ?? plain);
}

function isOn(value: string, field: string): boolean {
  if (["", "1", "t", "true"].includes(value.toLowerCase())) return true;
  if (["0", "f", "false"].includes(value.toLowerCase())) return false;
  throw misuse(`--mount ${field} "${value}" is neither true nor false`);
}

function pairOf(text: string, field: string): Readonly<Record<string, string>> {
  const [key, value] = parsePair(text, `mount ${field}`);
  return { [key]: value };
}

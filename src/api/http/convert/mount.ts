import type { BindOptions, Mount, MountType, TmpfsOptions, VolumeOptions } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import type { Json } from "../json.js";
import { driverFromDocker, driverToDocker } from "./driver.js";
import type { Fields } from "./fields.js";
import { sameWords } from "./words.js";
import { unlessEmpty, unlessFalse, unlessZero } from "./zero-values.js";

const TYPES = sameWords<MountType>("bind", "volume", "tmpfs", "npipe", "cluster", "image");
/** Permission bits, with Go's bits for set-user-id and the like above them. */
const FILE_MODE_MAX = 2 ** 32 - 1;

export function mountFromDocker(fields: Fields): Mount {
  const type = fields.word<MountType | null>("Type", TYPES, null);
  if (type === null) throw badRequest('invalid MountType: ""');
  const mount: Mount = {
    type,
    source: fields.string("Source"),
    target: fields.string("Target"),
    readOnly: fields.boolean("ReadOnly"),
    consistency: fields.string("Consistency"),
    bindOptions: bindOptionsFromDocker(fields.child("BindOptions")),
    volumeOptions: volumeOptionsFromDocker(fields.child("VolumeOptions")),
    tmpfsOptions: tmpfsOptionsFromDocker(fields.child("TmpfsOptions")),
  };
  fields.end();
  return mount;
}

export function mountToDocker(mount: Mount): Json {
  return {
    Type: mount.type,
    Source: unlessEmpty(mount.source),
    Target: unlessEmpty(mount.target),
    ReadOnly: unlessFalse(mount.readOnly),
    Consistency: unlessEmpty(mount.consistency),
    BindOptions: mount.bindOptions === null ? undefined : bindOptionsToDocker(mount.bindOptions),
    VolumeOptions: mount.volumeOptions === null ? undefined : volumeOptionsToDocker(mount.volumeOptions),
    TmpfsOptions: mount.tmpfsOptions === null ? undefined : { SizeBytes: unlessZero(mount.tmpfsOptions.sizeBytes), Mode: unlessZero(mount.tmpfsOptions.mode) },
  };
}

function bindOptionsFromDocker(fields: Fields | null): BindOptions | null {
  if (fields === null) return null;
  const options: BindOptions = {
    propagation: fields.word("Propagation", sameWords("private", "rprivate", "shared", "rshared", "slave", "rslave"), ""),
    nonRecursive: fields.boolean("NonRecursive"),
    createMountpoint: fields.boolean("CreateMountpoint"),
    readOnlyNonRecursive: fields.boolean("ReadOnlyNonRecursive"),
    readOnlyForceRecursive: fields.boolean("ReadOnlyForceRecursive"),
  };
  fields.end();
  return options;
}

function bindOptionsToDocker(options: BindOptions): Json {
  return {
    Propagation: unlessEmpty(options.propagation),
    NonRecursive: unlessFalse(options.nonRecursive),
    CreateMountpoint: unlessFalse(options.createMountpoint),
    ReadOnlyNonRecursive: unlessFalse(options.readOnlyNonRecursive),
    ReadOnlyForceRecursive: unlessFalse(options.readOnlyForceRecursive),
  };
}

function volumeOptionsFromDocker(fields: Fields | null): VolumeOptions | null {
  if (fields === null) return null;
  const options: VolumeOptions = {
    noCopy: fields.boolean("NoCopy"),
    labels: fields.record("Labels"),
    driver: driverFromDocker(fields.child("DriverConfig")),
    subpath: fields.string("Subpath"),
  };
  fields.end();
  return options;
}

function volumeOptionsToDocker(options: VolumeOptions): Json {
  return {
    NoCopy: unlessFalse(options.noCopy),
    Labels: unlessEmpty(options.labels),
    DriverConfig: driverToDocker(options.driver),
    Subpath: unlessEmpty(options.subpath),
  };
}

function tmpfsOptionsFromDocker(fields: Fields | null): TmpfsOptions | null {
  if (fields === null) return null;
  const options: TmpfsOptions = { sizeBytes: fields.integer("SizeBytes"), mode: fields.count("Mode", FILE_MODE_MAX) };
  fields.end();
  return options;
}

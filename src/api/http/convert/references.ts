import type { ConfigReference, FileTarget, SecretReference } from "../../../model/objects.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";

const FILE_MODE_MAX = 2 ** 32 - 1;

export function secretReferenceFromDocker(fields: Fields): SecretReference {
  const reference: SecretReference = {
    secretId: fields.string("SecretID"),
    secretName: fields.string("SecretName"),
    file: fileTargetFromDocker(fields.child("File")),
  };
  fields.end();
  return reference;
}

export function secretReferenceToDocker(reference: SecretReference): Json {
  return { File: fileTargetToDocker(reference.file), SecretID: reference.secretId, SecretName: reference.secretName };
}

export function configReferenceFromDocker(fields: Fields): ConfigReference {
  const runtime = fields.child("Runtime");
  runtime?.end();
  const reference: ConfigReference = {
    configId: fields.string("ConfigID"),
    configName: fields.string("ConfigName"),
    file: fileTargetFromDocker(fields.child("File")),
    runtime: runtime !== null,
  };
  fields.end();
  return reference;
}

export function configReferenceToDocker(reference: ConfigReference): Json {
  return {
    File: fileTargetToDocker(reference.file),
    Runtime: reference.runtime ? {} : undefined,
    ConfigID: reference.configId,
    ConfigName: reference.configName,
  };
}

function fileTargetFromDocker(fields: Fields | null): FileTarget | null {
  if (fields === null) return null;
  const file: FileTarget = {
    name: fields.string("Name"),
    uid: fields.string("UID"),
    gid: fields.string("GID"),
    mode: fields.count("Mode", FILE_MODE_MAX),
  };
  fields.end();
  return file;
}

function fileTargetToDocker(file: FileTarget | null): Json {
  return file === null ? undefined : { Name: file.name, UID: file.uid, GID: file.gid, Mode: file.mode };
}

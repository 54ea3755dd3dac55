import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { ClusterError, messageOf, systemCodeOf } from "../../../base/errors.js";

/** What TLS with one registry needs beside what every host trusts; PEM. */
export interface RegistryCertificates {
  /** Authorities, the usual ones included; undefined where there are no others. */
  readonly ca?: readonly string[];
  /** Certificates that prove who this host is, and their keys. */
  readonly cert?: readonly string[];
  readonly key?: readonly string[];
}

/**
 * Reads `FOLDER/HOST[:PORT]/` as Docker reads /etc/docker/certs.d: `*.crt` are authorities, `NAME.cert` and `NAME.key` a client's certificate with its key. Without such a folder
 * there is nothing to add. Throws ClusterError `failed_precondition` that names the file.
 */
export async function readRegistryCertificates(folder: string, host: string): Promise<RegistryCertificates> {
  const own = join(folder, host);
  const names = await filesIn(own);
  const read = async (name: string) => {
    try {
      return await readFile(join(own, name), "utf8");
    } catch (cause) {
      throw new ClusterError("failed_precondition", `cannot read ${join(own, name)}: ${messageOf(cause)}`, { cause });
    }
  };
  const clients = names.filter((name) => name.endsWith(".cert")).map((name) => name.slice(0, -".cert".length));
  const keys = names.filter((name) => name.endsWith(".key")).map((name) => name.slice(0, -".key".length));
  const alone = clients.find((name) => !keys.includes(name));
  if (alone !== undefined) throw missing(own, `${alone}.key`, `${alone}.cert`);
  const unused = keys.find((name) => !clients.includes(name));
  if (unused !== undefined) throw missing(own, `${unused}.cert`, `${unused}.key`);
  const authorities = await Promise.all(names.filter((name) => name.endsWith(".crt")).map(read));
  return {
    ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] }),
    ...(clients.length === 0
      ? {}
      : { cert: await Promise.all(clients.map((name) => read(`${name}.cert`))), key: await Promise.all(clients.map((name) => read(`${name}.key`))) }),
  };
}

async function filesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT" || systemCodeOf(cause) === "ENOTDIR") return [];
    throw new ClusterError("failed_precondition", `cannot read ${folder}: ${messageOf(cause)}`, { cause });
  }
}

function missing(folder: string, file: string, other: string): ClusterError {
  return new ClusterError("failed_precondition", `${join(folder, file)} is missing, which ${other} belongs to; certificates of authorities end in .crt`);
}

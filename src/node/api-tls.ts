import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ClusterError, messageOf } from "../base/errors.js";
import { certificatesIn } from "../pki/trust.js";
import type { DaemonConfig } from "./config.js";

/** PEM texts. */
interface ApiTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** Reads what the API over TCP needs. Throws ClusterError `invalid_argument` that names the setting and the file when TLS could not use it. */
export async function readApiTls(paths: NonNullable<DaemonConfig["tls"]>): Promise<ApiTls> {
  const ca = await read("tlscacert", paths.ca);
  const certificate = await read("tlscert", paths.certificate);
  const key = await read("tlskey", paths.key);
  assertCertificates("tlscacert", paths.ca, ca);
  assertCertificates("tlscert", paths.certificate, certificate);
  if (!new X509Certificate(certificate).checkPrivateKey(privateKeyOf(paths.key, key)))
    throw new ClusterError("invalid_argument", `tlskey ${paths.key} does not belong to tlscert ${paths.certificate}`);
  return { ca, certificate, key };
}

async function read(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new ClusterError("invalid_argument", `cannot read ${setting} ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** One at least: TLS would go without, and refuse everybody. */
function assertCertificates(setting: string, path: string, pem: string): void {
  let count: number;
  try {
    count = certificatesIn(pem).length;
  } catch (cause) {
    throw new ClusterError("invalid_argument", `${setting} ${path} has a certificate that is none`, { cause });
  }
  if (count === 0) throw new ClusterError("invalid_argument", `${setting} ${path} has no certificate in it`);
}

function privateKeyOf(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new ClusterError("invalid_argument", `tlskey ${path} has no private key in it that can be read without a password`, { cause });
  }
}

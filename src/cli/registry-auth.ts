import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf, systemCodeOf } from "../base/errors.js";
import { parseReference } from "../model/image-reference.js";
import { misuse } from "./failure.js";

/** How the configuration of docker names Docker Hub. */
const HUB = "https://index.docker.io/v1/";

/** The X-Registry-Auth header for an image, from `auths` in docker's own configuration (DOCKER_CONFIG or ~/.docker); none without an entry. */
export function registryHeaders(image: string): Readonly<Record<string, string>> {
  const { domain } = parseReference(image);
  const path = join(process.env.DOCKER_CONFIG ?? join(homedir(), ".docker"), "config.json");
  const entry = authsIn(path)?.[domain === "docker.io" ? HUB : domain];
  return entry === undefined ? {} : { "x-registry-auth": Buffer.from(JSON.stringify({ ...entry, serveraddress: domain })).toString("base64url") };
}

function authsIn(path: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined {
  try {
    const { auths } = JSON.parse(readFileSync(path, "utf8")) as { readonly auths?: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
    return auths;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return undefined;
    throw misuse(`cannot read ${path}: ${messageOf(cause)}`);
  }
}

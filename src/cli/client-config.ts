import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf, systemCodeOf } from "../base/errors.js";
import { misuse } from "./failure.js";

/** Credentials of one registry. */
export interface StoredAuth {
  /** base64 of name:password. */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** What is read of docker's own configuration; the rest stays in it as it is. */
export interface ClientConfig {
  readonly auths?: Readonly<Record<string, StoredAuth>>;
  /** A program docker-credential-NAME that keeps the credentials of all registries. */
  readonly credsStore?: string;
  /** The same for single registries. */
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly detachKeys?: string;
}

export function clientConfigPath(): string {
  return join(process.env.DOCKER_CONFIG || join(homedir(), ".docker"), "config.json");
}

/** DOCKER_CONFIG/config.json, or that of ~/.docker; empty without one. Throws a CommandFailure for one that cannot be read. */
export function clientConfig(): ClientConfig {
  const path = clientConfigPath();
  try {
    const config: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof config === "object" && config !== null && !Array.isArray(config)) return config;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return {};
    throw misuse(`cannot read ${path}: ${messageOf(cause)}`);
  }
  throw misuse(`cannot read ${path}: it is not a JSON object`);
}

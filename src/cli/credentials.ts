import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf, systemCodeOf } from "../base/errors.js";
import { type ClientConfig, clientConfig, clientConfigPath, type StoredAuth } from "./client-config.js";
import { CommandFailure, EXIT } from "./failure.js";

/** How the configuration of docker names Docker Hub. */
export const HUB = "https://index.docker.io/v1/";

/** What a helper keeps under the name of a user when it is a token that stands for name and password. */
const TOKEN_USER = "<token>";

/** The key of a registry in docker's configuration: its host and port alone, except for Docker Hub. */
export function registryKey(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return ["", "docker.io", "index.docker.io", "registry-1.docker.io"].includes(host) ? HUB : host;
}

/** Credentials of a registry, from its helper program or docker's own configuration; undefined without any. Throws a CommandFailure for a helper that does not work. */
export async function findCredentials(key: string): Promise<StoredAuth | undefined> {
  const config = clientConfig();
  const helper = helperOf(config, key);
  // Other clients may have stored it with a scheme.
  if (helper === undefined) return config.auths?.[key] ?? Object.entries(config.auths ?? {}).find(([name]) => registryKey(name) === key)?.[1];
  const answer = await runHelper(helper, "get", key);
  if (answer === null) return undefined;
  const { Username: username = "", Secret: secret = "" } = JSON.parse(answer) as { readonly Username?: string; readonly Secret?: string };
  return username === TOKEN_USER ? { identitytoken: secret } : { username, password: secret };
}

/** Keeps them where the configuration says. Resolves with where that is when it is a file that others with this file can read; null for a helper. */
export async function storeCredentials(
  key: string,
  credentials: { readonly username: string; readonly password: string; readonly identityToken: string },
): Promise<string | null> {
  const { username, password, identityToken } = credentials;
  const config = clientConfig();
  const helper = helperOf(config, key);
  if (helper !== undefined) {
    const secret = identityToken === "" ? { Username: username, Secret: password } : { Username: TOKEN_USER, Secret: identityToken };
    await runHelper(helper, "store", JSON.stringify({ ServerURL: key, ...secret }));
    return null;
  }
  const auth = Buffer.from(`${username}:${identityToken === "" ? password : ""}`).toString("base64");
  changeConfig((file) => ({ ...file, auths: { ...file.auths, [key]: { auth, ...(identityToken === "" ? {} : { identitytoken: identityToken }) } } }));
  return clientConfigPath();
}

/** Resolves with whether there was something to forget. */
export async function eraseCredentials(key: string): Promise<boolean> {
  const config = clientConfig();
  const helper = helperOf(config, key);
  const had = (await findCredentials(key)) !== undefined;
  if (helper !== undefined && had) await runHelper(helper, "erase", key);
  if (Object.keys(config.auths ?? {}).some((name) => registryKey(name) === key))
    changeConfig((file) => ({ ...file, auths: Object.fromEntries(Object.entries(file.auths ?? {}).filter(([name]) => registryKey(name) !== key)) }));
  return had;
}

function helperOf({ credHelpers, credsStore }: ClientConfig, key: string): string | undefined {
  return credHelpers?.[key] || credsStore || undefined;
}

/** The protocol of docker's credential helpers: a verb, the rest on standard input. Null for what is not there. */
function runHelper(helper: string, verb: "get" | "store" | "erase", input: string): Promise<string | null> {
  const program = `docker-credential-${helper}`;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stdin.on("error", (cause) => {
      // It need not read what it is given; its exit code says how it went.
      if (systemCodeOf(cause) !== "EPIPE") reject(cause);
    });
    child.once("error", (cause) => reject(new CommandFailure(EXIT.refused, `cannot run ${program}: ${messageOf(cause)}`, { cause })));
    child.once("close", (code) => {
      if (code === 0) resolve(output);
      else if (/credentials not found/i.test(output)) resolve(null);
      else reject(new CommandFailure(EXIT.refused, `${program} ${verb} failed: ${output.trim() || `it ended with ${code}`}`));
    });
    child.stdin.end(input);
  });
}

/** Writes aside and renames: whoever reads it meanwhile sees the whole of one or the other. Only its owner can. */
function changeConfig(change: (config: ClientConfig) => ClientConfig): void {
  const path = clientConfigPath();
  const changed = change(clientConfig());
  const aside = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(aside, `${JSON.stringify(changed, null, 2)}\n`, { mode: 0o600 });
    chmodSync(aside, 0o600);
    renameSync(aside, path);
  } catch (cause) {
    throw new CommandFailure(EXIT.refused, `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}

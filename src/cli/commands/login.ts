import type { Command } from "commander";
import { action, type CliContext } from "../context.js";
import { eraseCredentials, findCredentials, HUB, registryKey, storeCredentials } from "../credentials.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { note, print } from "../output.js";
import { readSecret } from "../read-secret.js";
import type { StoredAuth } from "../client-config.js";

interface LoginFlags {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

interface Answer {
  readonly Status: string;
  readonly IdentityToken: string;
}

/** login and logout: who asks a registry. */
export function addLoginCommands(program: Command): void {
  program
    .command("login")
    .description("log in to a registry, and keep the credentials where docker's configuration says")
    .argument("[registry]", "host[:port] (default Docker Hub)")
    .option("-u, --username <name>")
    .option("-p, --password <password>", "seen by all who can list processes: --password-stdin is better")
    .option("--password-stdin", "read the password from standard input")
    .action(action<[string | undefined, LoginFlags]>(login));
  program
    .command("logout")
    .description("forget the credentials of a registry")
    .argument("[registry]", "host[:port] (default Docker Hub)")
    .action(action<[string | undefined]>(logout));
}

async function login(context: CliContext, address: string | undefined, flags: LoginFlags): Promise<void> {
  const key = registryKey(address ?? HUB);
  if (flags.passwordStdin === true && flags.password !== undefined) throw misuse("--password and --password-stdin do not go together");
  if (flags.passwordStdin === true && flags.username === undefined) throw misuse("--password-stdin needs --username");
  if (flags.password !== undefined) note("WARNING! A password on the command line can be seen by others: --password-stdin is better.");
  const known = flags.username === undefined && flags.password === undefined ? await findCredentials(key) : undefined;
  if (known !== undefined && (await reuse(context, key, known))) return;
  const { username, password } = await ask(context, flags);
  const { Status, IdentityToken } = await authenticate(context, { username, password, serveraddress: key });
  const path = await storeCredentials(key, { username, password, identityToken: IdentityToken });
  if (path !== null) note(`WARNING! The password is kept unencrypted in ${path}: a credential helper (credsStore) keeps it better.`);
  print(Status);
}

/** Whether the credentials that are known still do. */
async function reuse(context: CliContext, key: string, known: StoredAuth): Promise<boolean> {
  note("Authenticating with existing credentials...");
  try {
    print((await authenticate(context, { ...known, ...decoded(known), serveraddress: key })).Status);
    return true;
  } catch (cause) {
    if (!(cause instanceof CommandFailure) || cause.status !== 401) throw cause;
    note("They are not accepted any more.");
    return false;
  }
}

/** The daemon asks the registry, since it is who reaches it. */
function authenticate({ api, signal }: CliContext, body: object): Promise<Answer> {
  return api.call<Answer>({ method: "POST", path: "/auth", body, signal });
}

async function ask({ signal }: CliContext, flags: LoginFlags): Promise<{ readonly username: string; readonly password: string }> {
  if (flags.password === undefined && flags.passwordStdin !== true && process.stdin.isTTY !== true)
    throw new CommandFailure(EXIT.refused, "there is no terminal to ask for name and password: give --username and --password-stdin");
  const username = flags.username ?? (await readSecret("Username: ", signal, { isShown: true }));
  const password = flags.password ?? (await readSecret("Password: ", signal));
  if (username === "") throw misuse("a name is needed");
  if (password === "") throw misuse("a password is needed");
  return { username, password };
}

/** docker keeps name and password as one word. */
function decoded({ auth }: StoredAuth): StoredAuth {
  if (auth === undefined) return {};
  const [username = "", ...rest] = Buffer.from(auth, "base64").toString().split(":");
  return { username, password: rest.join(":") };
}

async function logout(_context: CliContext, address: string | undefined): Promise<void> {
  const key = registryKey(address ?? HUB);
  if (await eraseCredentials(key)) print(`Removed the login credentials of ${key}.`);
  else note(`There are no login credentials of ${key}.`);
}

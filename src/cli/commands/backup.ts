import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { messageOf } from "../../base/errors.js";
import { action, type CliContext } from "../context.js";
import { misuse } from "../failure.js";
import { textOfFlag } from "../flag-file.js";
import { openFile } from "../image-words.js";
import { OutputFile } from "../output-file.js";
import { print } from "../output.js";
import { readSecret } from "../read-secret.js";

interface BackupFlags {
  readonly passphraseFile?: string;
}

interface RestoreFlags extends BackupFlags {
  readonly listenAddr: string;
  readonly advertiseAddr?: string;
  readonly caKey?: string;
}

const PASSPHRASE = [
  "--passphrase-file <file>",
  "file whose first line is the passphrase that the backup is encrypted with (default: it is asked for, or read from standard input)",
] as const;

/** backup and restore: the state of the cluster as one encrypted file. */
export function addBackupCommands(program: Command): void {
  program
    .command("backup")
    .description("write the state of the swarm to an encrypted file, while it runs")
    .argument("<file>", "file to write, or - for standard output; it holds the keys and secrets of the swarm")
    .option(...PASSPHRASE)
    .action(action<[string, BackupFlags]>(backup));
  program
    .command("restore")
    .description("make this host the first manager of a swarm that was backed up")
    .argument("<file>", "file that backup wrote, or - for standard input")
    .option(...PASSPHRASE)
    .option("--listen-addr <address>", "ip|interface[:port] to listen on", "0.0.0.0:2377")
    .option("--advertise-addr <address>", "ip|interface[:port] that other nodes dial")
    .option("--ca-key <file>", "key (PEM) of the root certificate, where only an external CA has it: certifies this host and is not kept")
    .action(action<[string, RestoreFlags]>(restore));
}

async function backup({ api, signal }: CliContext, path: string, flags: BackupFlags): Promise<void> {
  if (path === "-" && process.stdout.isTTY) throw misuse("a backup is not for a terminal: give a file, or pipe it");
  const passphrase = await passphraseOf(flags, signal);
  if (flags.passphraseFile === undefined && process.stdin.isTTY && (await readSecret("The same again: ", signal)) !== passphrase) {
    throw misuse("these were two different passphrases");
  }
  const open = () => api.open({ method: "POST", path: "/swarm/backup", body: { Passphrase: passphrase }, signal });
  if (path === "-") return await pipeline(await open(), process.stdout, { end: false });
  await using file = await OutputFile.open(path, 0o600);
  const size = await file.fill(await open(), signal);
  print(`Wrote ${size} bytes to ${path}. Whoever has it and the passphrase has the swarm.`);
}

async function restore({ api, signal }: CliContext, path: string, flags: RestoreFlags): Promise<void> {
  if (path === "-" && flags.passphraseFile === undefined) throw misuse("a backup that is read from standard input needs --passphrase-file");
  const passphrase = await passphraseOf(flags, signal);
  const content = path === "-" ? process.stdin : await openFile(path);
  const key = flags.caKey === undefined ? {} : { SigningCAKey: await textOfFlag(flags.caKey, "ca-key") };
  const options = { Passphrase: passphrase, ListenAddr: flags.listenAddr, AdvertiseAddr: flags.advertiseAddr ?? "", ...key };
  const stream = Readable.from(withOptions(options, content), { objectMode: false });
  const nodeId = await api.call<string>({ method: "POST", path: "/swarm/restore", stream, signal });
  print(`The swarm is restored: this host is its manager ${nodeId}. Other managers have to leave their old swarm by force and join this one.`);
}

async function* withOptions(options: object, file: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(`${JSON.stringify(options)}\n`);
  yield* file as AsyncIterable<Uint8Array>;
}

async function passphraseOf({ passphraseFile }: BackupFlags, signal: AbortSignal): Promise<string> {
  if (passphraseFile === undefined) {
    const typed = await readSecret("Passphrase of the backup: ", signal);
    if (typed === "") throw misuse("a backup needs a passphrase: as the first line of standard input, or of the file that --passphrase-file names");
    return typed;
  }
  const text = await readFile(passphraseFile, "utf8").catch((cause: unknown) => {
    throw misuse(`cannot read the passphrase from ${passphraseFile}: ${messageOf(cause)}`);
  });
  const passphrase = text.split("\n")[0]?.trim() ?? "";
  if (passphrase === "") throw misuse(`${passphraseFile} has no passphrase in its first line`);
  return passphrase;
}

import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import type { Command } from "commander";
import { messageOf } from "../../base/errors.js";
import { action, type CliContext } from "../context.js";
import { misuse } from "../failure.js";
import { openFile } from "../image-words.js";
import { OutputFile } from "../output-file.js";
import { print } from "../output.js";

interface BackupFlags {
  readonly passphraseFile: string;
}

interface RestoreFlags extends BackupFlags {
  readonly listenAddr: string;
  readonly advertiseAddr?: string;
}

const PASSPHRASE = ["--passphrase-file <file>", "file whose first line is the passphrase that the backup is encrypted with"] as const;

/** backup and restore: the state of the cluster as one encrypted file. */
export function addBackupCommands(program: Command): void {
  program
    .command("backup")
    .description("write the state of the swarm to an encrypted file, while it runs")
    .argument("<file>", "file to write; it holds the keys and secrets of the swarm")
    .requiredOption(...PASSPHRASE)
    .action(action<[string, BackupFlags]>(backup));
  program
    .command("restore")
    .description("make this host the first manager of a swarm that was backed up")
    .argument("<file>", "file that backup wrote")
    .requiredOption(...PASSPHRASE)
    .option("--listen-addr <address>", "ip|interface[:port] to listen on", "0.0.0.0:2377")
    .option("--advertise-addr <address>", "ip|interface[:port] that other nodes dial")
    .action(action<[string, RestoreFlags]>(restore));
}

async function backup({ api, signal }: CliContext, path: string, flags: BackupFlags): Promise<void> {
  const passphrase = await passphraseOf(flags);
  await using file = await OutputFile.open(path, 0o600);
  const reply = await api.open({ method: "POST", path: "/swarm/backup", body: { Passphrase: passphrase }, signal });
  const size = await file.fill(reply, signal);
  print(`Wrote ${size} bytes to ${path}. Whoever has it and the passphrase has the swarm.`);
}

async function restore({ api, signal }: CliContext, path: string, flags: RestoreFlags): Promise<void> {
  const options = { Passphrase: await passphraseOf(flags), ListenAddr: flags.listenAddr, AdvertiseAddr: flags.advertiseAddr ?? "" };
  const stream = Readable.from(withOptions(options, await openFile(path)), { objectMode: false });
  const nodeId = await api.call<string>({ method: "POST", path: "/swarm/restore", stream, signal });
  print(`The swarm is restored: this host is its manager ${nodeId}. Other managers have to leave their old swarm by force and join this one.`);
}

async function* withOptions(options: object, file: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(`${JSON.stringify(options)}\n`);
  yield* file as AsyncIterable<Uint8Array>;
}

async function passphraseOf({ passphraseFile }: BackupFlags): Promise<string> {
  const text = await readFile(passphraseFile, "utf8").catch((cause: unknown) => {
    throw misuse(`cannot read the passphrase from ${passphraseFile}: ${messageOf(cause)}`);
  });
  const passphrase = text.split("\n")[0]?.trim() ?? "";
  if (passphrase === "") throw misuse(`${passphraseFile} has no passphrase in its first line`);
  return passphrase;
}

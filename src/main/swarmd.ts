#!/usr/bin/env -S node --no-memory-reducer --min-semi-space-size=16
// Room for the garbage of idle minutes, and no collection only because nothing else is to do: an idle daemon uses a third less of a core so.
import { messageOf } from "../base/errors.js";
import { DEFAULT_CONFIG_FILE, readSettings, resolveConfig } from "../node/config.js";
import { runDaemon } from "../node/daemon.js";
import { daemonProgram, settingsOf } from "./daemon-flags.js";

// Whatever its starter had: what containers read (/etc/hosts, say) would otherwise be root's alone, or anybody's to write.
process.umask(0o022);

try {
  const program = daemonProgram().parse();
  if (process.getuid?.() !== 0) throw new Error("root is needed: to make containers and their networks");
  const { configFile } = program.opts<{ readonly configFile?: string }>();
  const file = readSettings(configFile ?? DEFAULT_CONFIG_FILE, configFile !== undefined);
  const code = await runDaemon(resolveConfig(settingsOf(program), file));
  // All has stopped and is on the disk. What gRPC still dials it does not give up, though the connection was closed: where nobody answers, that would take two minutes.
  process.exit(code);
} catch (cause) {
  process.stderr.write(`swarmd: ${messageOf(cause)}\n`);
  process.exitCode = 1;
}

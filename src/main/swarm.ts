#!/usr/bin/env -S node --
// Without the dashes Node.js 20 takes an --env-file of ours for its own, and reads it: a pipe would be empty by the time that we do.
import { runCommandLine } from "../cli/program.js";
import { VERSION } from "../node/version.js";

for (const output of [process.stdout, process.stderr]) {
  output.on("error", (cause: NodeJS.ErrnoException) => {
    // A reader that goes away (`swarm service ls | head -1`) is no failure; a disk that is full is one.
    if (cause.code === "EPIPE") process.exit(0);
    if (output === process.stdout) process.stderr.write(`swarm: cannot write the output: ${cause.message}\n`);
    process.exit(1);
  });
}
process.exitCode = await runCommandLine(process.argv, VERSION);

#!/usr/bin/env node
import { runCommandLine } from "../cli/program.js";
import { VERSION } from "../node/version.js";

// A reader that goes away (`swarm service ls | head -1`) is no failure.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  if (cause.code !== "EPIPE") throw cause;
  process.exit(0);
});
process.exitCode = await runCommandLine(process.argv, VERSION);

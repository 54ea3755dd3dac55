import { type CommandFailure, EXIT } from "../failure.js";

/** Docker's codes for a program that could not be started, by what the daemon says of it: 127 it is not there, 126 it cannot be run, 125 anything else. */
export function startExitCode({ message }: CommandFailure): number {
  if (/executable file not found|no such file or directory/i.test(message)) return EXIT.notFound;
  if (/permission denied|is a directory|exec format error/i.test(message)) return EXIT.notExecutable;
  return EXIT.ownFault;
}

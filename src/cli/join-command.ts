import { print } from "./output.js";

/** Says what joins a node of this role. */
export function printJoinCommand(role: string, token: string, address: string): void {
  print(`To add a ${role}, run on its host:\n\n    swarm join --token ${token} ${address}\n`);
}

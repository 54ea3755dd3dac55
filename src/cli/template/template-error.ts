import { type CommandFailure, misuse } from "../failure.js";

export function templateError(message: string): CommandFailure {
  return misuse(`template: ${message}`);
}

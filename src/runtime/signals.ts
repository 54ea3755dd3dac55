import { constants } from "node:os";
import { ClusterError } from "../base/errors.js";

const NUMBERS: Readonly<Record<string, number>> = constants.signals;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** `SIGTERM`, `term` or `15` as a number, as Docker takes it. Throws `invalid_argument`. */
export function signalNumber(name: string): number {
  const upper = name.toUpperCase().replace(/^SIG/, "");
  const number = /^\d+$/.test(upper) ? Number(upper) : (NUMBERS[`SIG${upper}`] ?? realTimeSignal(upper));
  if (number === undefined || number < 1 || number > SIGRTMAX) throw new ClusterError("invalid_argument", `invalid signal: ${name}`);
  return number;
}

function realTimeSignal(upper: string): number | undefined {
  const match = /^RT(MIN|MAX)([+-]\d+)?$/.exec(upper);
  if (match === null) return undefined;
  const number = (match[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + Number(match[2] ?? 0);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}

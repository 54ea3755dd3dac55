import { integerBetween, type Random } from "../../src/base/random.js";

export const FAULTS = ["kill", "power", "cut"] as const;
export type Fault = (typeof FAULTS)[number];

/** One fault on a minority of the managers, and how long it lasts. */
export interface Round {
  readonly fault: Fault;
  /** Number of the manager in the lab, from 1. */
  readonly victim: number;
  readonly lastsMs: number;
  /** Between the recovery and the next round. */
  readonly pauseMs: number;
}

const LASTS_MS = [300, 4_000] as const;
const PAUSE_MS = [0, 1_000] as const;

/** All choices of the rounds, which one seed repeats. Of three managers a minority is one. */
export function planRounds(random: Random, count: number, managers: number): readonly Round[] {
  return Array.from({ length: count }, () => ({
    fault: FAULTS[integerBetween(random, 0, FAULTS.length - 1)] ?? "kill",
    victim: integerBetween(random, 1, managers),
    lastsMs: integerBetween(random, ...LASTS_MS),
    pauseMs: integerBetween(random, ...PAUSE_MS),
  }));
}

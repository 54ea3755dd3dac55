import { describe, expect, it } from "vitest";
import { Ledger } from "./ledger.js";

type Step = readonly ["ack" | "unknown" | "read", number];

const CASES: readonly { readonly name: string; readonly steps: readonly Step[]; readonly wrong: string | null }[] = [
  {
    name: "an acknowledged write",
    steps: [
      ["ack", 1],
      ["read", 1],
    ],
    wrong: null,
  },
  {
    name: "an unknown one that took place",
    steps: [
      ["ack", 1],
      ["unknown", 2],
      ["read", 2],
    ],
    wrong: null,
  },
  {
    name: "an unknown one that did not",
    steps: [
      ["ack", 1],
      ["unknown", 2],
      ["read", 1],
    ],
    wrong: null,
  },
  {
    name: "an unknown one that takes place late",
    steps: [
      ["unknown", 2],
      ["read", 0],
      ["read", 2],
    ],
    wrong: null,
  },
  {
    name: "a lost write",
    steps: [
      ["ack", 1],
      ["ack", 2],
      ["read", 1],
    ],
    wrong: "an acknowledged write is missing",
  },
  {
    name: "an unknown one over a later acknowledged one",
    steps: [
      ["unknown", 1],
      ["ack", 2],
      ["read", 1],
    ],
    wrong: "an acknowledged write is missing",
  },
  {
    name: "a read that goes back",
    steps: [
      ["unknown", 1],
      ["read", 1],
      ["read", 0],
    ],
    wrong: "an acknowledged write is missing",
  },
  {
    name: "a refused write that took place",
    steps: [
      ["ack", 1],
      ["read", 3],
    ],
    wrong: "a write is there that was refused",
  },
];

describe("Ledger", () => {
  it.each(CASES)("judges $name", ({ steps, wrong }) => {
    const ledger = new Ledger(0);
    const verdicts = steps.map(([kind, value]) => {
      if (kind === "read") return ledger.observed(value);
      if (kind === "ack") ledger.acknowledged(value);
      else ledger.unknown(value);
      return null;
    });
    expect(verdicts.slice(0, -1).every((verdict) => verdict === null)).toBe(true);
    if (wrong === null) expect(verdicts.at(-1)).toBeNull();
    else expect(verdicts.at(-1)).toContain(wrong);
  });
});

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const sim = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", join(import.meta.dirname, "main.ts"), ...args], { encoding: "utf8" });
  return { status, stdout, stderr: stderr.split("\n")[0] };
};

test.each<[string, readonly string[], string]>([
  ["an option that there is none of", ["--sedes", "1"], "sim: Unknown option '--sedes'"],
  ["a seed that is no number", ["--seed", "x"], 'sim: "x" as a seed: a whole number from 0 is needed'],
  ["seeds from the last to the first", ["--seeds", "5..3"], 'sim: "5..3" as seeds: the last one is before the first'],
  ["a defect that nobody planted", ["--planted", "--only", "none such"], 'sim: no planted defect has "none such" in its name'],
  ["seeds where planted defects are hunted", ["--planted", "--seeds", "1..3"], "sim: planted defects are hunted with seeds and steps of their own"],
  ["defects where seeds are run", ["--seed", "1", "--only", "a vote"], "sim: --only takes of the planted defects: it needs --planted"],
  ["nothing at all", [], "sim: it is not said which seeds to run"],
])("%s is said in a sentence, and nothing is run", (_what, args, sentence) => {
  expect(sim(...args)).toEqual({ status: 2, stdout: "", stderr: sentence });
});

test("help is no failure", () => {
  expect(sim("--help")).toEqual({ status: 0, stdout: expect.stringMatching(/^usage: npm run sim -- /), stderr: "" });
});

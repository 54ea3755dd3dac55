import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { PlantedBug } from "./planted-bug.js";
import type { simulate, SimulationResult } from "./simulation.js";

export const SEEDS_MAX = 500;
const STEPS = 2_000;

/** The checkers of the simulation, the core's asserts, and its refusal of what the log must not hold. */
const FOUND_BY: ReadonlySet<string> = new Set(["PropertyViolated", "AssertionError", "ClusterError"]);

export interface Hunt {
  readonly bug: PlantedBug;
  /** The first seed that shows the defect; null when none of those tried does. */
  readonly found: SimulationResult | null;
}

/** Runs seeds against a copy of core and simulator with the defect in it, until one fails. */
export async function hunt(bug: PlantedBug, seedsMax = SEEDS_MAX): Promise<Hunt> {
  const folder = await mkdtemp(join(tmpdir(), "planted-"));
  try {
    const simulateBroken = await plant(bug, folder);
    for (let seed = 1; seed <= seedsMax; seed++) {
      const result = await simulateBroken({ seed, steps: STEPS, ...(bug.profile === undefined ? {} : { profile: bug.profile }) });
      if (result.failure === null) continue;
      // What fails in another way than by a check is a copy that does not run.
      if (!FOUND_BY.has(result.failure.kind)) throw new Error(`"${bug.name}" cannot be planted like this: ${result.failure.message}`);
      return { bug, found: result };
    }
    return { bug, found: null };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throws when the place of the defect is not in the sources: they changed, and the list has to follow. */
async function plant(bug: PlantedBug, folder: string): Promise<typeof simulate> {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
  await mkdir(join(folder, "src"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  for (const shared of ["node_modules", "src/base", "src/wire", "src/model"]) await symlink(join(root, shared), join(folder, shared));
  for (const part of ["src/raft", "src/replica", "test/simulation"]) await cp(join(root, part), join(folder, part), { recursive: true });
  for (const { file, find, replace } of bug.edits) {
    const path = join(folder, file);
    const pieces = (await readFile(path, "utf8")).split(find);
    if (pieces.length !== 2) throw new Error(`the place of "${bug.name}" is in ${file} ${pieces.length - 1} times, not once`);
    await writeFile(path, pieces.join(replace));
  }
  const module: { readonly simulate: typeof simulate } = await import(pathToFileURL(join(folder, "test/simulation/simulation.ts")).href);
  return module.simulate;
}

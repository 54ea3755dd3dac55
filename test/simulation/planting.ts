import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { PlantedBug } from "./planted-bug.js";
import type { simulate, SimulationResult } from "./simulation.js";

export const SEEDS_MAX = 500;
const STEPS = 2_000;
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** What may have defects: folders, and files of others. What is beside them is the same for all. */
const PARTS = ["src/raft", "src/replica", "test/simulation", "src/api/grpc/raft.ts", "src/node/admission.ts"];
const SHARED = ["node_modules", "src/base", "src/wire", "src/model"];

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
  const sources = await sourcesOf(PARTS);
  for (const part of new Set([...sources.keys()].map(dirname))) await mkdir(join(folder, part), { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  for (const shared of SHARED) await symlink(join(ROOT, shared), join(folder, shared));
  const changed = edited(sources, bug);
  const copied = importersOf(new Set(bug.edits.map(({ file }) => file)), sources);
  for (const [file, text] of changed) {
    if (copied.has(file)) await writeFile(join(folder, file), text);
    else await symlink(join(ROOT, file), join(folder, file));
  }
  const module: { readonly simulate: typeof simulate } = await import(pathToFileURL(join(folder, "test/simulation/simulation.ts")).href);
  return module.simulate;
}

/** Texts of these TypeScript files, and of those of these folders, by path. */
async function sourcesOf(parts: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const names = await Promise.all(parts.map((part) => (part.endsWith(".ts") ? [part] : filesOf(part))));
  return new Map(await Promise.all(names.flat().map(async (file) => [file, await readFile(join(ROOT, file), "utf8")] as const)));
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(join(ROOT, folder));
  return names.filter((name) => name.endsWith(".ts")).map((name) => join(folder, name));
}

function edited(sources: ReadonlyMap<string, string>, bug: PlantedBug): ReadonlyMap<string, string> {
  const texts = new Map(sources);
  for (const { file, find, replace } of bug.edits) {
    const pieces = (texts.get(file) ?? "").split(find);
    if (pieces.length !== 2) throw new Error(`the place of "${bug.name}" is in ${file} ${pieces.length - 1} times, not once`);
    texts.set(file, pieces.join(replace));
  }
  return texts;
}

/** These files, and all that would not see them changed otherwise: whatever imports none of them, not through others either, needs no copy, which would be compiled anew. */
function importersOf(files: ReadonlySet<string>, sources: ReadonlyMap<string, string>): ReadonlySet<string> {
  const found = new Set(files);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const [file, text] of sources) if (importsIn(file, text).some((imported) => found.has(imported))) found.add(file);
  }
  return found;
}

/** Paths of what a file imports by a relative one, but for its types alone. */
function importsIn(file: string, text: string): readonly string[] {
  const statements = text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)\.js";/gm);
  return [...statements].map(([, path]) => join(dirname(file), `${path}.ts`));
}

import { BaseSequencer, type TestSpecification } from "vitest/node";
import { defineConfig } from "vitest/config";

/** Small files that compute for long: without a word they would come last, and run alone at the end. */
const COMPUTING = ["simulation/simulation", "unit/node/crash-sweep", "unit/replica/large-state", "unit/replica/damage", "unit/runtime/shim-steps"];
/** Files of the lab between two that compute: those wait for timers of their daemons most of the time, which is theirs then. */
const LABS_BETWEEN = 4;

/** What takes long comes first: the lab, with the files that compute in between, and then all others in the order of the sequencer. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const labs = sorted.filter(({ moduleId }) => moduleId.includes("/test/lab/"));
    const computing = COMPUTING.flatMap((name) => sorted.filter(({ moduleId }) => moduleId.endsWith(`/test/${name}.test.ts`)));
    const long = new Set(labs.flatMap((lab, at) => (at % LABS_BETWEEN === 0 ? [...computing.splice(0, 1), lab] : [lab])).concat(computing));
    return [...long, ...sorted.filter((file) => !long.has(file))];
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    sequence: { sequencer: LongestFirst },
    // For two cores: a file of the lab takes about half of one, and what is left over is for machines that are busy with something else.
    maxWorkers: 3,
    // A hang is told later, and a machine that is busy with something else is no hang: what a test waits for has bounds of its own.
    testTimeout: 150_000,
    hookTimeout: 150_000,
  },
});

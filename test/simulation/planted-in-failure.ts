import type { PlantedBug } from "./planted-bug.js";
import { SETTINGS, MOVING, AILING, HANGING, ROTATING, CRASHING, SNAPPING } from "./planting-profiles.js";

/** What is to be done when the disk fails, or only the process ends, left out. */
export const PLANTED_IN_FAILURE: readonly PlantedBug[] = [
  {
    name: "acknowledges what it could not write",
    edits: [
      { file: "src/replica/driver.ts", find: "if (written !== null) await written;", replace: "if (written !== null) await written.catch(() => undefined);" },
    ],
    profile: AILING,
  },
  {
    name: "sends what waits for the disk also when that failed",
    edits: [
      {
        file: "src/replica/driver.ts",
        find: "if (written !== null) await written;",
        replace: "await written?.catch((cause: unknown) => {\n      this.#hooks.send(ready.messagesAfterPersist);\n      throw cause;\n    });",
      },
    ],
    profile: AILING,
  },
  {
    name: "tries a failed write again and goes on",
    edits: [{ file: "src/replica/durable-log.ts", find: "      await write();\n", replace: "      await write().catch(write);\n" }],
    profile: AILING,
  },
  {
    name: "goes on after entries could not be cleared",
    isRare: true,
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: ".then(() => this.#guard(() => this.#level.clear({ gte: entryKey(0), lte: entryKey(through) })))",
        replace: ".then(() => this.#level.clear({ gte: entryKey(0), lte: entryKey(through) }))",
      },
    ],
    profile: { ...AILING, settings: { ...SETTINGS, tailBodyMax: 600, snapshotEvery: 10 } },
  },
  {
    name: "syncs a received snapshot again after a sync of it failed",
    isRare: true,
    edits: [
      {
        file: "src/replica/incoming-snapshot.ts",
        find: "    await this.#unlessBroken(() => file.sync());\n",
        replace: "    await file.sync();\n",
      },
    ],
    profile: { ...SNAPPING, ailRate: 0.05, killShare: 0.2 },
  },
  {
    name: "does not sync the name that a killed process gave its tail file",
    isRare: true,
    edits: [{ file: "src/replica/durable-log.ts", find: "if (tail !== null) await disk.syncFolder(directory);", replace: "" }],
    profile: { ...MOVING, crashRate: 0.1, killShare: 0.5 },
  },
  {
    name: "writes over the newest record of its tail file when it starts",
    edits: [{ file: "src/replica/durable-log.ts", find: "if (record !== null) this.#tail.resumeAfter(record);", replace: "void record;" }],
    profile: CRASHING,
  },
  {
    name: "seals nothing but its snapshots with a new key",
    edits: [{ file: "src/replica/resealing.ts", find: "let next: number | null = 0;", replace: "let next: number | null = null as number | null;" }],
    profile: ROTATING,
  },
  {
    name: "forgets what was being written when the key changed",
    isRare: true,
    edits: [
      {
        file: "src/replica/resealing.ts",
        find: "await between(() => Promise.resolve(log.storage.lastIndex()));",
        replace: "log.storage.lastIndex();",
      },
    ],
    profile: { ...ROTATING, settings: { ...SETTINGS, tailBodyMax: 600 } },
  },
  {
    name: "takes a snapshot for sealed anew whose name is not durable",
    isRare: true,
    edits: [{ file: "src/replica/snapshot-folder.ts", find: "power cut.\n    await this.#disk.syncFolder(this.#path);\n", replace: "power cut.\n" }],
    profile: ROTATING,
  },
  {
    name: "seals its snapshots with the old key for ever",
    edits: [{ file: "src/replica/resealing.ts", find: "  await folder.reseal(signal);\n", replace: "" }],
    profile: ROTATING,
  },
  {
    name: "drops an old key before the tail file has a record under the new one",
    edits: [
      { file: "src/replica/durable-log.ts", find: "    await this.#write({ ...state, sequence: state.sequence + 1 }, []);\n", replace: "    void state;\n" },
    ],
    profile: ROTATING,
  },
  {
    name: "drops an old key before the last record that it sealed is gone",
    edits: [
      {
        file: "test/simulation/process.ts",
        find: "    this.#codec.rotate(member.keys);\n",
        replace: "    this.#codec.rotate(member.keys);\n    member.keys = member.keys.slice(0, 1);\n",
      },
    ],
    profile: ROTATING,
  },
  {
    name: "does not wait for a snapshot that is being written under the old key",
    isRare: true,
    edits: [{ file: "src/replica/snapshot-folder.ts", find: "    await Promise.allSettled(this.#writing);\n", replace: "" }],
    profile: { ...ROTATING, rotateRate: 0.05, settings: { ...SETTINGS, snapshotEvery: 10, writeDelayMax: 12 } },
  },
  {
    name: "goes on leading although its disk answers nothing",
    edits: [{ file: "src/raft/raft.ts", find: "ticks >= STALLED_ELECTIONS * electionTicks", replace: "ticks < 0" }],
    profile: HANGING,
  },
];

import type { PlantedBug } from "./planted-bug.js";
import { CHURN, MOVING, CRASHING, DAMAGED, SETTINGS, SNAPPING } from "./planting-profiles.js";

/** What src/replica does to be durable, left out. Only a simulation that runs it can tell. */
export const PLANTED_IN_DURABILITY: readonly PlantedBug[] = [
  {
    name: "goes on before its write is durable",
    edits: [
      {
        file: "src/replica/driver.ts",
        find: "if (written !== null) await written;",
        replace: "written?.catch(() => undefined);",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "sends at once what must wait for the disk",
    edits: [
      {
        file: "src/replica/driver.ts",
        find: "this.#hooks.send(ready.messages);",
        replace: "this.#hooks.send([...ready.messages, ...ready.messagesAfterPersist]);",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "does not wait for its tail file",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "      await written;\n",
        replace: "      written.catch(() => undefined);\n",
      },
    ],
    profile: CRASHING,
  },
  {
    name: "writes over what its database is only about to have",
    isRare: true,
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    const entries = this.#unsettled.take(state.compacted.index);\n",
        replace: "    const entries = this.#unsettled.take(state.compacted.index);\n    this.#hasSettled(state.sequence);\n",
      },
    ],
    profile: { ...CRASHING, settings: { ...SETTINGS, writeDelayMax: 12, tailBodyMax: 600, settledWrites: 2 } },
  },
  {
    name: "does not write its tail file through",
    edits: [
      {
        file: "src/replica/tail-file.ts",
        find: 'await disk.open(path, "write_through")',
        replace: 'await disk.open(path, "extend")',
      },
    ],
    profile: CRASHING,
  },
  {
    name: "writes round its tail file without looking",
    edits: [{ file: "src/replica/tail-file.ts", find: "end <= kept.start || kept.end <= start);", replace: "end <= kept.start || start >= 0);" }],
    profile: { ...CRASHING, settings: { ...SETTINGS, writeDelayMax: 8, tailBodyMax: 600 } },
  },
  {
    name: "writes each record of the tail file over the one before",
    edits: [
      { file: "src/replica/tail-file.ts", find: "end <= kept.start || kept.end <= start);", replace: "end <= kept.start || start >= 0);" },
      { file: "src/replica/tail-file.ts", find: "this.#kept.at(-1)?.end ?? 0", replace: "this.#kept.at(-1)?.start ?? 0" },
    ],
    profile: CRASHING,
  },
  {
    name: "writes one copy of each record of the tail file",
    edits: [{ file: "src/replica/tail-record.ts", find: "record.copyWithin(size, 0, size);", replace: "record.fill(0, size);" }],
    profile: { ...DAMAGED, damageRate: 0.05, settings: { ...SETTINGS, tailBodyMax: 480 } },
  },
  {
    name: "makes its tail file under its own name",
    isRare: true,
    edits: [
      { file: "src/replica/tail-file.ts", find: 'await disk.open(aside, "replace")', replace: 'await disk.open(path, "replace")' },
      { file: "src/replica/tail-file.ts", find: "    await disk.rename(aside, path);\n", replace: "    void aside;\n" },
    ],
    profile: { ...MOVING, crashRate: 0.05 },
  },
  {
    name: "does not sync the folder of a new tail file",
    edits: [
      {
        file: "src/replica/tail-file.ts",
        find: "    await disk.syncFolder(dirname(path));\n",
        replace: "    dirname(path);\n",
      },
    ],
    profile: { ...MOVING, crashRate: 0.05 },
  },
  {
    name: "cuts its log before the new entries are durable",
    isRare: true,
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    await this.#write(next, linked);\n",
        replace:
          "    if (linked[0] !== undefined) await this.#level.clear({ gte: entryKey(linked[0].entry.index), lte: entryKey(Number.MAX_SAFE_INTEGER) });\n    await this.#write(next, linked);\n",
      },
    ],
    profile: { ...CHURN, crashRate: 0.05 },
  },
  {
    name: "clears entries before it is durable that they are not needed",
    edits: [
      {
        file: "src/replica/durable-log.ts",
        find: "    this.#state = { ...state, compacted: this.storage.compact(index) };",
        replace:
          "    this.#state = { ...state, compacted: this.storage.compact(index) };\n    void this.#level.clear({ gte: entryKey(0), lte: entryKey(index) });",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "compacts before its snapshot is durable",
    edits: [
      {
        file: "src/replica/snapshot-folder.ts",
        find: "    return this.#tracked(\n      writeSnapshotFile(",
        replace: "    return void this.#tracked(\n      writeSnapshotFile(",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "names a snapshot that is not synced",
    edits: [
      {
        file: "src/replica/snapshot-file.ts",
        find: "    await file.sync();\n",
        replace: "",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "does not sync the folder of a new snapshot",
    edits: [
      {
        file: "src/replica/snapshot-file.ts",
        find: "  await disk.syncFolder(dirname(path));\n",
        replace: "  dirname(path);\n",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "takes in a snapshot that is not synced",
    edits: [
      {
        file: "src/replica/incoming-snapshot.ts",
        find: "    await this.#unlessBroken(() => file.sync());\n",
        replace: "",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "does not sync the folder of a snapshot that it took in",
    edits: [
      {
        file: "src/replica/snapshot-folder.ts",
        find: "place));\n    await this.#disk.syncFolder(this.#path);\n",
        replace: "place));\n",
      },
    ],
    profile: SNAPPING,
  },
  {
    name: "removes its old snapshot as soon as it has received another",
    isRare: true,
    edits: [
      {
        file: "src/replica/snapshot-folder.ts",
        find: "place));\n    await this.#disk.syncFolder(this.#path);\n",
        replace: "place));\n    await this.#disk.syncFolder(this.#path);\n    await this.retain(place, 0);\n",
      },
    ],
    profile: SNAPPING,
  },
];

import type { PlantedBug } from "./planted-bug.js";
import { REAPPEARING, ROAMING } from "./planting-profiles.js";

/** In who knows whom, and at which address. */
export const PLANTED_IN_ACQUAINTANCE: readonly PlantedBug[] = [
  {
    name: "does not listen to who a member says that it is",
    edits: [{ file: "src/replica/peers.ts", find: "    this.#introduced.add(member);\n", replace: "" }],
    profile: ROAMING,
  },
  {
    name: "believes its log before what a member says of its address",
    edits: [
      {
        file: "src/replica/peers.ts",
        find: "[...members, ...this.#departing.members, ...this.#introduced.members]",
        replace: "[...this.#introduced.members, ...members, ...this.#departing.members]",
      },
    ],
    isRare: true,
    profile: ROAMING,
  },
  {
    name: "forgets who introduced itself when it takes in a snapshot",
    edits: [
      {
        file: "src/replica/peers.ts",
        find: "  replaced(): void {\n",
        replace: "  replaced(): void {\n    for (const member of [...this.#introduced.members]) this.#introduced.forget(member);\n",
      },
    ],
    isRare: true,
    profile: ROAMING,
  },
  {
    name: "finds no address in a snapshot",
    edits: [
      {
        file: "src/replica/membership.ts",
        find: "members.map((member) => [member.raftId, member])",
        replace: "(config === null ? members : []).map((member) => [member.raftId, member])",
      },
    ],
    profile: ROAMING,
  },
  {
    name: "forgets a member when a connection ends that it made before another one",
    edits: [
      {
        file: "src/replica/introduced-members.ts",
        find: "this.#members.get(member.raftId) === member && this.#members.delete(member.raftId)",
        replace: "this.#members.delete(member.raftId)",
      },
    ],
    isRare: true,
    profile: REAPPEARING,
  },
  {
    name: "keeps the first address of a member that it learned",
    edits: [
      {
        file: "src/replica/membership.ts",
        find: "for (const member of change.members) this.#members.set(",
        replace: "for (const member of change.members) if (!this.#members.has(member.raftId)) this.#members.set(",
      },
    ],
    profile: REAPPEARING,
  },
  {
    name: "lets a member in whose node was removed",
    edits: [
      {
        file: "src/node/admission.ts",
        find: "  if (view.cluster !== undefined && Object.hasOwn(view.cluster.removedNodes, nodeId)) throw removed(nodeId);\n",
        replace: "",
      },
    ],
    profile: ROAMING,
  },
];

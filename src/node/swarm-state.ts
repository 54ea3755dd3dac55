import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkedText, withCheck } from "../base/checked-text.js";
import { writeFileDurably } from "../base/durable-file.js";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import { Turns } from "../base/turns.js";
import { parseHostPort } from "./addresses.js";
import { hadNode } from "./swarm-folder.js";

/** What a member of a swarm must know at its next start, beside its certificate and its log. */
export interface SwarmState {
  /** host:port where this node listens when it is a manager. */
  readonly listenAddress: string;
  /** host:port that others dial. */
  readonly advertiseAddress: string;
  /** The interface of this host that had that address when it was last seen; absent while none had. */
  readonly advertiseInterface?: string;
  /** Managers known last, to find the cluster again. */
  readonly managers: readonly { readonly nodeId: string; readonly address: string }[];
  /** This node's own place in the raft group; null when it is no member (yet). */
  readonly member: MemberState | null;
  /** Of the cluster that this node follows, as a manager said last; absent before. A member goes by its own. */
  readonly incarnation?: string;
}

export interface MemberState {
  readonly raftId: number;
  readonly incarnation: string;
  /** Name of the folder with its log, beside the state file; absent is `raft`. A new incarnation begins in a folder of its own: saving this is what makes it valid. */
  readonly raftFolder?: string;
}

/** Name of the folder with a member's log. */
export function raftFolderOf(member: Pick<MemberState, "raftFolder"> | null): string {
  return member?.raftFolder ?? "raft";
}

const FILE = "state.json";

/** A node's state in memory, and as of its last change on the disk. */
export class KeptSwarmState {
  readonly #folder: string;
  /** Two writers of the one file would take it from under each other. */
  readonly #saves = new Turns();
  #now: SwarmState;

  constructor(folder: string, state: SwarmState) {
    this.#folder = folder;
    this.#now = state;
  }

  get now(): SwarmState {
    return this.#now;
  }

  /** Counts from the call on; resolves when it is durable. */
  async replace(state: SwarmState): Promise<void> {
    this.#now = state;
    // As it is by then: nothing older ever follows something newer.
    await this.#saves.take(() => saveSwarmState(this.#folder, this.#now));
  }
}

/** Undefined when there is none: the node is in no swarm. Throws `failed_precondition` naming the file when it is damaged, cannot be read, or is gone while the rest is there. */
export async function loadSwarmState(folder: string): Promise<SwarmState | undefined> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) !== "ENOENT") throw unusable(`${path} cannot be read`, cause);
    if (!(await hadNode(folder))) return undefined;
    throw new ClusterError("failed_precondition", `${path} is gone, and the rest of a node is there: put it back, or leave by force and join again`, { cause });
  }
  try {
    return checkedState(JSON.parse(checkedText(text)) as SwarmState);
  } catch (cause) {
    throw unusable(`${path} is damaged`, cause);
  }
}

function unusable(what: string, cause: unknown): ClusterError {
  return new ClusterError("failed_precondition", `${what}: ${messageOf(cause)}; put the right one back, or leave by force and join again`, { cause });
}

/** What a start relies on. The rest is only shown, or checked by who uses it. */
function checkedState(state: SwarmState): SwarmState {
  const { listenAddress, advertiseAddress, managers, member } = state;
  for (const address of [listenAddress, advertiseAddress, ...managers.map((manager) => manager.address)]) parseHostPort(address);
  if (member !== null && !(Number.isSafeInteger(member.raftId) && typeof member.incarnation === "string"))
    throw new ClusterError("invalid_argument", `member is ${JSON.stringify(member)}`);
  return state;
}

/** Whole or not at all, and durable. */
export async function saveSwarmState(folder: string, state: SwarmState): Promise<void> {
  await writeFileDurably(join(folder, FILE), withCheck(`${JSON.stringify(state, null, 2)}\n`));
}

import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.js";
import { newId } from "../base/ids.js";
import type { Logger } from "../base/log.js";
import type { Random } from "../base/random.js";
import type { StoreObject } from "../model/objects.js";
import type { RecordCodec } from "../replica/record-codec.js";
import { type GroupOrigin, Replica } from "../replica/replica.js";
import type { RaftTransport } from "../replica/transport.js";
import { Store } from "../store/store.js";
import type { MemberState } from "./swarm-state.js";

/**
 * How far a new incarnation's indexes, and so the versions of objects, begin beyond those that it knows of: the incarnation before may have gone on after
 * what is known here, by this many writes at most.
 */
const INDEX_GAP = 2 ** 36;

/** Incarnations that are remembered: those who come from an older one are strangers. */
const FORMER_MAX = 100;

interface Place {
  /** Folder that holds the state file and the folders of raft members. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface FirstMember {
  readonly member: { readonly nodeId: string; readonly address: string };
  readonly origin: GroupOrigin;
}

/** Reads all that a stopped member holds. Throws ClusterError `failed_precondition` when its disk is damaged, or holds nothing. */
export async function salvageMember(place: Place, codec: RecordCodec, raftFolder: string): Promise<GroupOrigin> {
  await using replica = await openStopped(place, codec, raftFolder);
  return replica.salvage();
}

/**
 * Writes the log of a group of one member that begins with these objects, under an incarnation of its own, in a folder of its own. Nothing is in force
 * before the returned state is saved. What members of earlier incarnations say is refused from then on.
 */
export async function foundIncarnation(place: Place, codec: RecordCodec, { member, origin }: FirstMember): Promise<MemberState> {
  const incarnation = newId();
  const raftFolder = `raft-${incarnation}`;
  try {
    await using replica = await openStopped(place, codec, raftFolder);
    const { raftId } = await replica.bootstrap(member, {
      objects: underIncarnation(origin.objects, incarnation),
      index: origin.index + INDEX_GAP,
      term: origin.term + 1,
    });
    return { raftId, incarnation, raftFolder };
  } catch (cause) {
    await rm(join(place.folder, raftFolder), { recursive: true, force: true });
    throw cause;
  }
}

function openStopped({ folder, clock, random, logger }: Place, codec: RecordCodec, raftFolder: string): Promise<Replica> {
  return Replica.open({ dataDir: join(folder, raftFolder), codec, clock, random, logger, store: new Store({ clock }), transport: NOBODY });
}

function* underIncarnation(objects: Iterable<StoreObject>, incarnation: string): Generator<StoreObject, void, undefined> {
  for (const object of objects) {
    if (object.type !== "cluster") yield object;
    else {
      const formerIncarnations = [...object.cluster.formerIncarnations, object.cluster.incarnation].slice(-FORMER_MAX);
      yield { type: "cluster", cluster: { ...object.cluster, incarnation, formerIncarnations } };
    }
  }
}

/** A member that is only read or written, and does not run, has nobody to talk to. */
const NOBODY: RaftTransport = {
  setPeers: () => undefined,
  send: () => undefined,
  isReachable: () => false,
  sendSnapshot: () => Promise.reject(new Error("a member that does not run sends nothing")),
};

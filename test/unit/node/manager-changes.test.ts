import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { deferred } from "../../../src/base/deferred.js";
import { ClusterError } from "../../../src/base/errors.js";
import { nextTurn } from "../../../src/base/next-turn.js";
import { type FollowedManager, followUntilStop, ManagerChanges } from "../../../src/node/manager-changes.js";
import { Store } from "../../../src/store/store.js";
import { MemoryProposer } from "../../support/memory-proposer.js";
import { testNode } from "../../support/services.js";
import { until } from "../../support/until.js";

/** A manager with a store of its own, which becomes ready when it is told to. */
class FakeManager implements FollowedManager {
  readonly store = new Store({ clock: new FakeClock() });
  readonly readiness = deferred<void>();
  readonly #stop = new AbortController();
  readonly changes: FollowedManager["changes"] = {
    past: (kinds) => this.store.past(kinds),
    follow: (options) => followUntilStop(this.store, options, this.#stop.signal),
  };

  constructor({ isReady }: { readonly isReady: boolean }) {
    new MemoryProposer(this.store);
    if (isReady) this.readiness.resolve();
  }

  ready(): Promise<void> {
    return this.readiness.promise;
  }

  stop(): void {
    this.#stop.abort();
  }

  write(id: string): Promise<void> {
    return this.store.update((tx) => tx.create("node", testNode(id)) as undefined);
  }
}

function host(first: FakeManager | null) {
  let manager: FollowedManager | null = first;
  const changes = new ManagerChanges(() => manager);
  const stop = new AbortController();
  const told: string[] = [];
  const follow = async () => {
    for await (const { events } of changes.follow({ kinds: ["node"], signal: stop.signal })) told.push(...events.map(({ object }) => object.id));
  };
  return {
    changes,
    told,
    stop,
    ended: follow(),
    becomes(next: FollowedManager | null) {
      manager = next;
      changes.look();
    },
  };
}

describe("who follows the changes of a host's manager", () => {
  test("hears of the swarm that the host becomes a manager of, from when that manager is current", async () => {
    const { told, becomes, changes, stop, ended } = host(null);
    expect(changes.past(["node"])).toEqual([]);
    const manager = new FakeManager({ isReady: false });
    becomes(manager);
    await manager.write("long ago");
    await nextTurn();
    manager.readiness.resolve();
    await nextTurn();
    await manager.write("news");
    await until("it is told", () => told.length > 0);
    expect(told).toEqual(["news"]);
    stop.abort();
    await ended;
  });

  test("hears of the next swarm when the host has left the first one, also when a third came between", async () => {
    const [one, two, three] = [true, false, true].map((isReady) => new FakeManager({ isReady })) as [FakeManager, FakeManager, FakeManager];
    const { told, becomes, stop, ended } = host(one);
    await one.write("first");
    await until("it is told", () => told.length === 1);
    becomes(null);
    one.stop();
    await nextTurn();
    becomes(two);
    await nextTurn();
    becomes(three);
    two.readiness.reject(new ClusterError("unavailable", "this manager is stopping"));
    await nextTurn();
    await three.write("third");
    await until("it is told", () => told.length === 2);
    expect(told).toEqual(["first", "third"]);
    stop.abort();
    await ended;
  });

  test("leaves nothing on the manager's signal, whether it is refused, ends by itself or breaks off", async () => {
    const { store } = new FakeManager({ isReady: true });
    const [stop, never] = [new AbortController(), new AbortController()];
    const follow = (after: number, signal: AbortSignal) => followUntilStop(store, { after, signal }, stop.signal);
    for (let time = 0; time < 1_000; time++) {
      expect(() => follow(1_000_000, never.signal)).toThrow("there is no revision 1000000 yet");
      expect(await follow(0, AbortSignal.abort()).next()).toEqual({ done: true, value: undefined });
    }
    await store.update((tx) => tx.create("node", testNode("n")) as undefined);
    for await (const _ of follow(0, never.signal)) break;
    expect([stop.signal, never.signal].map((signal) => getEventListeners(signal, "abort").length)).toEqual([0, 0]);
  });

  test("ends when it is over, whatever it waits for", async () => {
    for (const manager of [null, new FakeManager({ isReady: true })]) {
      const { stop, ended } = host(manager);
      await nextTurn();
      stop.abort();
      await ended;
    }
    const { becomes, stop, ended } = host(null);
    becomes(new FakeManager({ isReady: false }));
    await nextTurn();
    stop.abort();
    await ended;
  });
});

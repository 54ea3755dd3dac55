import { describe, expect, test } from "vitest";
import { type Deferred, deferred } from "../../../src/base/deferred.js";
import type { TailOpener } from "../../../src/replica/tail-file.js";
import { type Host, ReplicaGroup, until } from "../../support/replica-group.js";
import { tailsWriting } from "../../support/tails.js";

/** Makes a host lead: leadership goes to whoever has most of the log, so the third one is kept from having it. */
async function lead(group: ReplicaGroup, host: Host): Promise<void> {
  for (let leader = await group.awaitLeader(); leader !== host; leader = await group.awaitLeader()) {
    const third = [...group.hosts.values()].find((other) => other !== leader && other !== host) as Host;
    group.network.cut(third.address);
    const written = leader.write("z");
    await written.then(() => leader.replica.transferLeadership()).catch(() => undefined);
    group.network.heal(third.address);
  }
}

describe("a disk that hangs", () => {
  /** Writes that begin while it hangs end when it is released. */
  const hanging = () => {
    const hung: number[] = [];
    let released: Deferred<void> | null = null;
    return {
      hung,
      open: tailsWriting(async (tail, sequence, sealed) => {
        if (released !== null) {
          hung.push(sequence);
          await released.promise;
        }
        await tail.write(sequence, sealed);
      }),
      hang: () => {
        released = deferred<void>();
      },
      release: () => {
        released?.resolve();
        released = null;
      },
    };
  };

  test("a follower that cannot write stays in touch, and acknowledges nothing until it can", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const slow = [...group.hosts.values()].find((host) => host !== leader) as Host;
    await slow.stop();
    const disk = hanging();
    const back = await group.restart(slow.name, disk.open);
    await until(() => back.replica.leadership.leader?.nodeId === leader.name);
    disk.hang();
    await leader.write("x");
    await until(() => disk.hung.length === 1);
    const { term } = back.replica.status();
    // Three election timeouts of heartbeats that are answered while the write hangs.
    let heartbeats = 0;
    group.network.filter = (message) => {
      if (message.type === "heartbeat_reply" && message.from === back.replica.status().raftId) heartbeats++;
      return true;
    };
    await until(() => heartbeats >= 60);
    expect(back.has("x")).toBe(false);
    expect(disk.hung.length).toBe(1);
    disk.release();
    await until(() => back.has("x"));
    expect(back.replica.status().term).toBe(term);
    expect(leader.isLeader).toBe(true);
  });

  test("a leader that cannot write hands over to those who can, and is one of them again when it can", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const first = await group.awaitLeader();
    await first.stop();
    await group.awaitLeader(first);
    const disk = hanging();
    const slow = await group.restart(first.name, disk.open);
    await until(() => slow.replica.leadership.leader !== undefined);
    await lead(group, slow);
    disk.hang();
    const caught = slow.write("caught");
    caught.catch(() => undefined);
    const next = await group.awaitLeader(slow);
    await next.write("x");
    expect(slow.isLeader).toBe(false);
    await expect(caught).rejects.toMatchObject({ code: "outcome_unknown" });
    // It was durable on the others.
    expect(next.has("caught")).toBe(true);
    disk.release();
    await until(() => slow.has("x"));
  });
});

describe("a disk that fails", () => {
  const failing = () => {
    const disk: { fail: boolean; readonly open: TailOpener } = {
      fail: false,
      open: tailsWriting((tail, sequence, sealed) => (disk.fail ? Promise.reject(new Error("EIO: input/output error, write")) : tail.write(sequence, sealed))),
    };
    return disk;
  };

  test("a failed sync ends the member's part: nothing is acknowledged, and run says why", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const old = await group.awaitLeader();
    await old.stop();
    await group.awaitLeader(old);
    const disk = failing();
    const back = await group.restart(old.name, disk.open);
    await lead(group, back);
    disk.fail = true;
    await expect(back.write("never")).rejects.toMatchObject({ code: "outcome_unknown" });
    await expect(back.running).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("EIO") });
    expect(back.isLeader).toBe(false);
    const next = await group.awaitLeader(back);
    await next.write("y");
    await back.stop();
    const again = await group.restart(old.name);
    await until(() => again.has("y"));
    expect([...again.store.objects()]).toEqual([...next.store.objects()]);
  });
});

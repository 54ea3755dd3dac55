import { describe, expect, test } from "vitest";
import type { TailOpener } from "../../../src/replica/tail-file.js";
import { type Host, ReplicaGroup, until } from "../../support/replica-group.js";
import { tailsWriting } from "../../support/tails.js";

describe("a disk that hangs", () => {
  test("a follower that cannot write stays in touch, and acknowledges nothing until it can", async () => {
    await using group = await ReplicaGroup.of("a", "b", "c");
    const leader = await group.awaitLeader();
    const slow = [...group.hosts.values()].find((host) => host !== leader) as Host;
    await slow.stop();
    let release: () => void = () => undefined;
    let isHanging = false;
    const hung: string[] = [];
    const back = await group.restart(
      slow.name,
      tailsWriting(async (tail, sequence, sealed) => {
        if (isHanging) {
          hung.push(String(sequence));
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
        await tail.write(sequence, sealed);
      }),
    );
    await until(() => back.replica.leadership.leader?.nodeId === leader.name);
    isHanging = true;
    await leader.write("x");
    await until(() => hung.length === 1);
    const { term } = back.replica.status();
    // Three election timeouts of heartbeats that are answered while the write hangs.
    let heartbeats = 0;
    group.network.filter = (message) => {
      if (message.type === "heartbeat_reply" && message.from === back.replica.status().raftId) heartbeats++;
      return true;
    };
    await until(() => heartbeats >= 60);
    expect(back.has("x")).toBe(false);
    expect(hung.length).toBe(1);
    isHanging = false;
    release();
    await until(() => back.has("x"));
    expect(back.replica.status().term).toBe(term);
    expect(leader.isLeader).toBe(true);
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
    for (let leader = await group.awaitLeader(); leader !== back; leader = await group.awaitLeader()) {
      // Leadership goes to whoever has most of the log: the third one must not.
      const third = [...group.hosts.values()].find((host) => host !== leader && host !== back) as Host;
      group.network.cut(third.address);
      const written = leader.write("z");
      await written.then(() => leader.replica.transferLeadership()).catch(() => undefined);
      group.network.heal(third.address);
    }
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

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Host, ReplicaGroup, until } from "../../support/replica-group.js";
import { recordsOf } from "../../support/records.js";

const filesIn = (folder: string) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const hasText = (folder: string, text: string) => filesIn(folder).some((file) => readFileSync(join(file.parentPath, file.name)).includes(text));

test("nothing that was written is readable on any member's disk: log, tables, tail file, snapshots written and received", async () => {
  await using group = await ReplicaGroup.create();
  const a = await group.found("a", { snapshotInterval: 20, logEntriesForSlowFollowers: 3 });
  for (let at = 0; at < 60; at++) await a.write(`hidden-${at}`, `hidden-name-${at}`);
  await until(() => filesIn(join(a.directory, "snapshots")).every((file) => !/^0+1-|\.part$/.test(file.name)));
  const b = await group.join("b");
  await until(() => b.has("hidden-59") && b.replica.members().length === 2);
  await a.write("hidden-last", "hidden-name-last");
  await until(() => b.has("hidden-last"));
  expect(group.network.snapshots.length).toBeGreaterThan(0);
  for (const host of [a, b]) {
    expect(filesIn(host.directory).length).toBeGreaterThan(4);
    for (const text of ["hidden", "swarm", host.address]) expect([host.name, text, hasText(host.directory, text)]).toEqual([host.name, text, false]);
  }
});

test("another key is refused with what to do, and the right one then finds everything", async () => {
  await using group = await ReplicaGroup.of("a");
  const a = group.host("a");
  await a.write("one");
  await a.stop();
  await expect(new Host(group.network, "a", group.root).open({ codec: recordsOf("stranger") })).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/cannot be opened at key "tail" .*: it is sealed with data key .*; put back the data key that was made with this folder$/),
    details: { directory: a.directory, key: "tail" },
  });
  const again = await group.restart("a");
  await until(() => again.isLeader);
  expect(again.has("one")).toBe(true);
});

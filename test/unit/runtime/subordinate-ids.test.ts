import { describe, expect, test } from "vitest";
import { mapText, planRemap, type UserDatabases } from "../../../src/runtime/subordinate-ids.js";

const DATABASES: UserDatabases = {
  passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n",
  group: "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n",
  subuid: "# not a line\nalice:300000:1000\nalice:100000:65536\n1001:200000:65536\n",
  subgid: "alice:100000:65536\nbob:200000:65536\nstaff:400000:70000\n",
};
const ALICE = { user: "alice", users: [range(100_000, 65_536), range(300_000, 1_000)], groups: [range(100_000, 65_536)] };

function range(first: number, count: number) {
  return { first, count };
}

describe("userns-remap", () => {
  test.each([
    ["alice", ALICE],
    ["1000", ALICE],
    ["alice:staff", { ...ALICE, groups: [range(400_000, 70_000)] }],
    ["1000:50", { ...ALICE, groups: [range(400_000, 70_000)] }],
    ["alice:root", ALICE],
    ["bob", { user: "bob", users: [range(200_000, 65_536)], groups: [range(200_000, 65_536)] }],
  ])("%s", (setting, expected) => expect(planRemap(setting, DATABASES)).toEqual(expected));

  test("default is the user dockremap", () => {
    const { passwd, subuid, subgid } = DATABASES;
    const line = "dockremap:500000:65536\n";
    const made = { ...DATABASES, passwd: `${passwd}dockremap:x:999:999::/:/bin/false\n`, subuid: subuid + line, subgid: subgid + line };
    expect(planRemap("default", made)).toEqual({ user: "dockremap", users: [range(500_000, 65_536)], groups: [range(500_000, 65_536)] });
    expect(() => planRemap("default", { ...made, subgid })).toThrow('has no line for dockremap in /etc/subgid: add "dockremap:470000:65536" to it');
    expect(() => planRemap("default", DATABASES)).toThrow(
      /needs the user dockremap, whom \/etc\/passwd does not have: .*"dockremap:470000:65536" to \/etc\/subuid and/,
    );
  });

  test.each([
    ["", /is neither default, nor USER, nor USER:GROUP/],
    ["a:b:c", /"a:b:c" is neither/],
    ["alice:", /is neither/],
    ["carol", /has no user in \/etc\/passwd: carol/],
    ["1005", /has no user in \/etc\/passwd: 1005/],
    ["alice:none", /has no group in \/etc\/group: none/],
    ["root", /is root, who cannot be remapped to himself/],
    ["0", /is root/],
  ])("refuses %j", (setting, message) => expect(() => planRemap(setting, DATABASES)).toThrow(message));

  test.each([
    ["alice:100000", /line 1 of \/etc\/subuid, "alice:100000", is not NAME:FIRST:COUNT/],
    ["alice:100000:0", /is not NAME/],
    ["alice:-1:5", /is not NAME/],
    ["alice:1:2:3", /is not NAME/],
    ["alice:0:65536", /would give the host's own root away/],
    ["alice:4294967290:6", /goes beyond the highest identifier/],
    ["bob:1:2", /has no line for alice in \/etc\/subuid: add "alice:100000:65536" to it/],
    [Array.from({ length: 341 }, (_, index) => `alice:${1000 + index}:1`).join("\n"), /has 341 lines in \/etc\/subuid, and the kernel takes 340/],
  ])("refuses a file with %j", (subuid, message) => expect(() => planRemap("alice", { ...DATABASES, subuid })).toThrow(message));

  test("ranges come one after the other", () => {
    expect(mapText([range(100_000, 65_536), range(300_000, 1_000)])).toBe("0 100000 65536\n65536 300000 1000\n");
  });
});

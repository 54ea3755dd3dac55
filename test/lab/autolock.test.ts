import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

const LOCKED = 'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.';
const MANAGERS = [1, 2, 3];

/** Three managers and a worker whose keys are locked on their disks, unlocked with the stock command line. The tests are chapters of one story. */
describe("autolock", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const client = dockerClients()[0] ?? "docker";
  const keys: string[] = [];
  const info = (node: number, field: string) => docker.must(node, "info", "--format", `{{.Swarm.${field}}}`);
  const certificates = (node: number) => join(dirname(lab.socket(node)), "data/swarm/certificates");
  const keyFile = (node: number) => readFile(join(certificates(node), "swarm-node.key"), "utf8");
  const idInFile = async (node: number) => /Unlock-Key-Id: ([0-9a-f]{16})/.exec(await keyFile(node))?.[1];
  const containers = (node: number) => docker.must(node, "ps", "--quiet", "--no-trunc");
  const unlock = async (node: number, input: string) => await lab.run([client, "-H", await lab.lab("socket", String(node)), "swarm", "unlock"], { input });
  /** As a person who reads the question before typing. Resolves with all that was on the screen. */
  const unlockAtTerminal = async (node: number, key: string): Promise<string> => {
    const [typed, screen] = ["/var/lib/swarm-lab/typed", "/var/lib/swarm-lab/screen"];
    const socket = await lab.lab("socket", String(node));
    const session = lab.run(["bash", "-c", `mkfifo ${typed}; exec 0<>${typed}; script -qefc "node dist/main/swarm.js -H ${socket} unlock" ${screen}`]);
    const seen = async () => (await lab.run(["cat", screen])).stdout;
    await until("it asks", async () => (await seen()).includes("Unlock key:"), 30);
    await lab.run(["bash", "-c", `printf '%s\\r' '${key}' >${typed}`]);
    expect(await session).toMatchObject({ code: 0 });
    return await seen();
  };
  const unlockKey = async (node: number, ...flags: readonly string[]) => await docker.must(node, "swarm", "unlock-key", "--quiet", ...flags);
  const restart = async (node: number) => {
    await lab.lab("kill", String(node));
    await lab.lab("start", String(node));
  };
  const write = async (node: number, label: string) =>
    await until(
      `a write through node ${node}`,
      async () => (await docker.try(node, "service", "update", "--detach", "--quiet", "--label-add", label, "each")).code === 0,
      30,
    );
  /** All of these have wrapped their keys with the same, the newest, unlock key; and only one data key is left. */
  const allLocked = (nodes: readonly number[], before = "") =>
    until("all managers have wrapped their keys", async () => {
      const ids = await Promise.all(nodes.map(idInFile));
      return ids.every((id) => id !== undefined && id !== before && id === ids[0]) ? ids[0] : undefined;
    });

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab, client);
    await lab.lab("up", "--managers", "3", "--workers", "1");
    await docker.importBusybox([1, 2, 3, 4]);
    await docker.create("each", ["--mode", "global"]);
    await docker.running(1, "each", 4);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("is turned on: every manager's keys are wrapped on its disk, and the worker's are not", async () => {
    expect(await keyFile(1)).toMatch(/BEGIN PRIVATE KEY/);
    expect((await docker.try(1, "swarm", "unlock")).stderr).toMatch(/swarm is not locked/);
    const printed = await docker.must(1, "swarm", "update", "--autolock=true");
    const key = await unlockKey(1);
    expect(key).toMatch(/^SWMKEY-1-[A-Za-z0-9+/]{43}$/);
    expect(printed).toContain(key);
    keys.push(key);
    await allLocked(MANAGERS);
    for (const node of MANAGERS) expect(await keyFile(node)).not.toMatch(/PRIVATE KEY|DATA KEY/);
    expect(await keyFile(4)).toMatch(/BEGIN PRIVATE KEY/);
    for (const node of MANAGERS) await until(`node ${node} sealed its log anew`, () => lab.logOf(node).includes("sealed with a new data key"));
  });

  test("a manager that restarts is locked: says so, keeps its containers, and takes no other key", async () => {
    const before = await containers(2);
    await restart(2);
    expect(await info(2, "LocalNodeState")).toBe("locked");
    expect(await containers(2)).toBe(before);
    for (const command of [
      ["node", "ls"],
      ["service", "ls"],
      ["swarm", "unlock-key"],
      ["swarm", "init", "--force-new-cluster"],
    ]) {
      expect((await docker.try(2, ...command)).stderr).toContain(LOCKED);
    }
    expect((await docker.try(2, "swarm", "leave")).stderr).toMatch(/Swarm is encrypted and locked\. Please unlock it first or use `--force`/);
    const file = await keyFile(2);
    expect(await unlock(2, `SWMKEY-1-${"A".repeat(43)}\n`)).toMatchObject({ code: 1, stderr: expect.stringContaining("invalid key provided") });
    expect(await unlock(2, "open sesame\n")).toMatchObject({ code: 1, stderr: expect.stringContaining("invalid key string") });
    expect([await info(2, "LocalNodeState"), await keyFile(2)]).toEqual(["locked", file]);
    expect(await unlock(2, `${keys[0]}\n`)).toMatchObject({ code: 0 });
    await docker.nodeIs(1, "node-2", "Ready Active Reachable");
    await write(2, "unlocked=2");
    expect((await unlock(2, `${keys[0]}\n`)).stderr).toMatch(/swarm is not locked/);
  });

  test("the key is rotated while a manager is down: that one needs the old key, and then has the new one", async () => {
    await lab.lab("kill", "3");
    const before = await idInFile(3);
    keys.push(await unlockKey(1, "--rotate"));
    expect(keys[1]).not.toBe(keys[0]);
    await allLocked([1, 2], before);
    await lab.lab("start", "3");
    expect(await idInFile(3)).toBe(before);
    expect(await unlock(3, keys[1] ?? "")).toMatchObject({ code: 1, stderr: expect.stringContaining("invalid key provided") });
    expect(await unlock(3, keys[0] ?? "")).toMatchObject({ code: 0 });
    await allLocked(MANAGERS, before);
    await restart(3);
    expect(await unlock(3, keys[0] ?? "")).toMatchObject({ code: 1 });
    expect(await unlock(3, keys[1] ?? "")).toMatchObject({ code: 0 });
    await docker.nodeIs(1, "node-3", "Ready Active Reachable");
  });

  test("all managers restart at once and are unlocked; our own command line does it too", async () => {
    for (const node of MANAGERS) await lab.lab("kill", String(node));
    for (const node of MANAGERS) await lab.lab("start", String(node));
    const swarm = async (node: number, args: readonly string[], input?: string) =>
      await lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", String(node)), ...args], input === undefined ? {} : { input });
    expect(await swarm(1, ["node", "ls"])).toMatchObject({ code: 1, stderr: expect.stringContaining('use "swarm unlock" to unlock it') });
    const screen = await unlockAtTerminal(1, keys[1] ?? "");
    expect(screen).toMatch(/Unlock key: \s*This manager is unlocked\./);
    expect(screen).not.toContain("SWMKEY");
    for (const node of [2, 3]) expect(await swarm(node, ["unlock"], `${keys[1]}\n`)).toMatchObject({ code: 0 });
    await write(1, "all=unlocked");
    expect((await swarm(2, ["unlock-key", "-q"])).stdout.trim()).toBe(keys[1]);
    const before = await allLocked(MANAGERS);
    keys.push((await swarm(2, ["unlock-key", "-q", "--rotate"])).stdout.trim());
    expect(keys[2]).toMatch(/^SWMKEY-1-/);
    await allLocked(MANAGERS, before);
  });

  test("a manager that is demoted is not locked any more; one that joins is, before its join ends", async () => {
    await docker.must(1, "node", "demote", "node-3");
    await until("node 3 has an open key file", async () => /BEGIN PRIVATE KEY/.test(await keyFile(3)) && !/DATA KEY/.test(await keyFile(3)));
    await restart(3);
    await docker.nodeIs(1, "node-3", "Ready Active");
    await docker.must(3, "swarm", "leave");
    const token = await docker.must(1, "swarm", "join-token", "-q", "manager");
    await docker.must(3, "swarm", "join", "--token", token, "10.88.0.1:2377");
    expect(await keyFile(3)).toMatch(/^-----BEGIN SWARM LOCKED KEYS-----/);
    expect(await idInFile(3)).toBe(await idInFile(1));
  });

  test("a locked node leaves by force; the last one that is left founds the cluster anew, and is locked as before", async () => {
    for (const node of [2, 3]) {
      await restart(node);
      await docker.must(node, "swarm", "leave", "--force");
      expect(await info(node, "LocalNodeState")).toBe("inactive");
    }
    await docker.must(1, "swarm", "init", "--force-new-cluster");
    await write(1, "anew=yes");
    expect(await unlockKey(1)).toBe(keys[2]);
    await restart(1);
    expect(await info(1, "LocalNodeState")).toBe("locked");
    expect(await unlock(1, keys[2] ?? "")).toMatchObject({ code: 0 });
    await write(1, "unlocked=again");
  });

  test("a restored cluster has the lock of the backup", async () => {
    const files = "/var/lib/swarm-lab";
    const swarm = async (node: number, ...args: readonly string[]) =>
      await lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", String(node)), ...args]);
    await lab.run(["sh", "-c", `echo 'open sesame' > ${files}/passphrase`]);
    expect(await swarm(1, "backup", `${files}/state`, "--passphrase-file", `${files}/passphrase`)).toMatchObject({ code: 0 });
    await lab.lab("power", "1");
    expect(await swarm(2, "restore", `${files}/state`, "--passphrase-file", `${files}/passphrase`, "--advertise-addr", "10.88.0.2")).toMatchObject({ code: 0 });
    expect(await keyFile(2)).toMatch(/^-----BEGIN SWARM LOCKED KEYS-----/);
    await restart(2);
    expect(await unlock(2, keys[2] ?? "")).toMatchObject({ code: 0 });
    await write(2, "restored=yes");
  });

  test("is turned off: the keys are open, and the data keys can be rotated without it too", async () => {
    await docker.must(2, "swarm", "update", "--autolock=false");
    await until("node 2 has an open key file", async () => /BEGIN PRIVATE KEY/.test(await keyFile(2)));
    expect((await docker.try(2, "swarm", "unlock-key")).stderr).toMatch(/no unlock key is set/);
    const dataKey = async () => /BEGIN SWARM DATA KEY-----\n([^-]+)/.exec(await keyFile(2))?.[1];
    const before = await dataKey();
    const rotate = ["node", "dist/main/swarm.js", "-H", await lab.lab("socket", "2"), "update", "--rotate-data-keys"];
    expect(await lab.run(rotate)).toMatchObject({ code: 0, stderr: "" });
    await until(
      "there is one data key, and it is a new one",
      async () => (await dataKey()) !== before && (await keyFile(2)).split("BEGIN SWARM DATA KEY").length === 2,
    );
    await restart(2);
    await write(2, "rotated=yes");
  });

  test("no unlock key was ever logged", () => {
    for (const node of [1, 2, 3, 4]) for (const key of keys) expect(lab.logOf(node)).not.toContain(key.slice("SWMKEY-1-".length));
  });
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Three managers; all that node 1 keeps is on a small disk, which fills while it leads; node 3's log is damaged. The tests are chapters of one story. */
describe("a manager whose disk fails it", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const acknowledged: string[] = [];
  const data = () => `/var/lib/swarm-lab/${lab.name}/1/data`;
  const swarm = (node: number, field: string) => docker.must(node, "info", "--format", `{{.Swarm.${field}}}`);
  const write = async (node: number, name: string, bytes = 10) => {
    const flags = ["--detach", "--quiet", "--no-resolve-image", "--replicas", "0", "--name", name, "--label", `filling=${"x".repeat(bytes)}`];
    const outcome = await docker.try(node, "service", "create", ...flags, "bb:v1");
    if (outcome.code === 0) acknowledged.push(name);
    return outcome;
  };
  const services = async (node: number) => (await docker.must(node, "service", "ls", "--format", "{{.Name}}")).split("\n");
  const restart = async (node: number) => {
    await lab.lab("kill", String(node));
    await lab.lab("start", String(node));
  };

  /** By demoting and promoting it: with a place of its own, and all that was acknowledged. */
  const madeNew = async (node: number, nextWrite: string) => {
    await docker.nodeIs(1, `node-${node}`, "Ready Active Unreachable");
    await docker.must(1, "node", "demote", `node-${node}`);
    await until(`node ${node} is a healthy worker`, async () => (await swarm(node, "Error")) === "");
    await docker.must(1, "node", "promote", `node-${node}`);
    await docker.nodeIs(2, `node-${node}`, "Ready Active Reachable");
    await until(`a write through node ${node} is accepted`, async () => (await write(node, nextWrite)).code === 0);
    expect(await services(node)).toEqual(expect.arrayContaining(acknowledged));
  };

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    expect(await lab.run(["bash", "-c", `mkdir -p ${data()} && mount -t tmpfs -o size=24m tmpfs ${data()}`])).toMatchObject({ code: 0 });
    await lab.lab("up", "--managers", "3", "--workers", "0");
    // On a busy machine another one may have been elected meanwhile.
    while ((await docker.leader([1, 2, 3])) !== 1) await restart(await docker.leader([1, 2, 3]));
    await docker.importBusybox([1, 2, 3]);
    // Daemons end and start: on a busy machine none must seem down before it is back.
    await docker.must(1, "swarm", "update", "--dispatcher-heartbeat", "10s");
    await docker.create("each", ["--mode", "global"]);
  });

  afterAll(async () => {
    await lab?.run(["umount", "--lazy", data()]);
    await lab?.[Symbol.asyncDispose]();
  });

  test("when it is full, steps down and says why; its daemon stays, and the others go on", async () => {
    expect(await write(1, "before")).toMatchObject({ code: 0 });
    const daemon = await lab.lab("pid", "1");
    const containers = await docker.must(1, "ps", "-q");
    expect(containers).not.toBe("");
    await lab.run(["bash", "-c", `cat /dev/zero > ${data()}/filler`]);
    let refusal = await write(1, "large-0", 100_000);
    for (let at = 1; refusal.code === 0 && at < 100; at++) refusal = await write(1, `large-${at}`, 100_000);
    expect(refusal.stderr).not.toBe("");
    await until("node 1 is a manager no more", async () => (await swarm(1, "ControlAvailable")) === "false");
    expect(await swarm(1, "Error")).toMatch(/raft log in \S+ cannot be written: .*No space left on device/);
    expect((await docker.try(1, "node", "ls")).stderr).toMatch(
      /This node is not a swarm manager: the raft log in \S+ cannot be written: .*No space left on device/,
    );
    await until("another one leads", async () => (await write(2, "after")).code === 0);
    expect(await services(2)).toEqual(expect.arrayContaining(acknowledged));
    expect(await lab.lab("pid", "1")).toBe(daemon);
    await docker.nodeIs(2, "node-1", "Ready Active Unreachable");
    expect(await docker.must(1, "ps", "-q")).toBe(containers);
  });

  test("is started again while the disk is still full: says so, and is not let go without force", async () => {
    await restart(1);
    expect(await swarm(1, "ControlAvailable")).toBe("false");
    expect(await swarm(1, "Error")).toMatch(/No space left on device/);
    expect((await docker.try(1, "swarm", "leave")).stderr).toMatch(/cannot take part/);
    expect(await write(3, "meanwhile")).toMatchObject({ code: 0 });
  });

  test("takes part again when there is space", async () => {
    await lab.run(["rm", `${data()}/filler`]);
    await restart(1);
    await docker.nodeIs(2, "node-1", "Ready Active Reachable");
    await docker.running(2, "each", 3);
    await until("node 1 has nothing to complain of", async () => (await swarm(1, "Error")) === "");
    await until("a write through node 1 is accepted", async () => (await write(1, "again")).code === 0);
    expect(await services(1)).toEqual(expect.arrayContaining(acknowledged));
  });

  test("steps down also while the full disk takes no new certificate, and gets one when there is space", async () => {
    const issued = () => lab.run(["cat", `${data()}/swarm/certificates/swarm-node.crt`]);
    const before = await issued();
    await lab.run(["bash", "-c", `cat /dev/zero > ${data()}/filler`]);
    await docker.must(2, "swarm", "ca", "--rotate", "--detach");
    await until("node 1 has no place for a certificate", async () => /no space left on device, \w+ '\S+swarm-node\.\w+\.new'/.test(await swarm(1, "Error")));
    for (let at = 0; at < 100 && !/log in \S+ cannot/.test(await swarm(1, "Error")); at++) await write(2, `rotating-${at}`, 100_000);
    await until("node 1 is a manager no more", async () => (await swarm(1, "ControlAvailable")) === "false");
    expect(await swarm(1, "Error")).toMatch(/the raft log in \S+ cannot be written: .*; .*no space left on device, \w+ '/);
    await docker.nodeIs(2, "node-1", "Ready Active Unreachable");
    await lab.run(["rm", `${data()}/filler`]);
    await until("node 1 has another certificate", async () => (await issued()).stdout !== before.stdout);
    await restart(1);
    await docker.nodeIs(2, "node-1", "Ready Active Reachable");
    await until("node 1 has nothing to complain of", async () => (await swarm(1, "Error")) === "");
  });

  test("is not started without its disk, which would end its containers and make it a new host; goes on when the disk is back", async () => {
    const containers = await docker.must(1, "ps", "-q");
    const away = `${data()}-away`;
    const move = async (from: string, to: string) => expect(await lab.run(["mount", "--move", from, to])).toMatchObject({ code: 0 });
    await lab.lab("kill", "1");
    await lab.run(["mkdir", away]);
    await move(data(), away);
    expect(await lab.run(["deploy/lab", "--name", lab.name, "start", "1"])).toMatchObject({ code: 1 });
    expect(lab.logOf(1)).toMatch(/^swarmd: the data root \S+ is not the one that this host's daemon had last: \S+engine-id is missing, .*mount the right one/m);
    await move(away, data());
    await lab.lab("start", "1");
    await docker.nodeIs(2, "node-1", "Ready Active Reachable");
    expect(await docker.must(1, "ps", "-q")).toBe(containers);
  });

  test("a manager whose log was put back to an earlier state steps down when it hears what it had acknowledged, and its daemon stays", async () => {
    const raft = `/var/lib/swarm-lab/${lab.name}/3/data/swarm/raft`;
    await lab.lab("kill", "3");
    await lab.run(["cp", "--archive", raft, `${raft}.earlier`]);
    await lab.lab("start", "3");
    await docker.nodeIs(1, "node-3", "Ready Active Reachable");
    await until("a write through node 3 is accepted", async () => (await write(3, "later")).code === 0);
    await lab.lab("kill", "3");
    await lab.run(["rm", "--recursive", raft]);
    await lab.run(["mv", `${raft}.earlier`, raft]);
    await lab.lab("start", "3");
    await until("node 3 says what it has lost", async () =>
      /the raft log ends at entry \d+, and this member had acknowledged entry \d+/.test(await swarm(3, "Error")),
    );
    await madeNew(3, "anew");
  });

  test("a manager whose log is damaged says where, and is made new by demoting and promoting it", async () => {
    await lab.lab("kill", "3");
    const tail = `/var/lib/swarm-lab/${lab.name}/3/data/swarm/raft/tail`;
    expect(await lab.run(["dd", "if=/dev/zero", `of=${tail}`, "bs=4M", "count=1", "conv=notrunc"])).toMatchObject({ code: 0 });
    await lab.lab("start", "3");
    expect(await swarm(3, "Error")).toMatch(/the raft log in .*swarm\/raft is damaged at key "tail" \(index \d+\): no record of the tail file can be read/);
    expect((await docker.try(3, "service", "ls")).stderr).toMatch(/is damaged at key "tail"/);
    await madeNew(3, "mended");
  });

  test("one whose certificate or state is damaged says in which file, goes on with its containers, and can leave", async () => {
    const folder = `/var/lib/swarm-lab/${lab.name}/3/data/swarm`;
    const containers = await docker.must(3, "ps", "-q");
    await lab.lab("kill", "3");
    await lab.run(["sed", "--in-place=.whole", "1s/BEGIN/XXXXX/", `${folder}/certificates/swarm-node.crt`]);
    await lab.lab("start", "3");
    expect(await swarm(3, "LocalNodeState")).toBe("error");
    expect(await swarm(3, "Error")).toContain(`the certificate ${folder}/certificates/swarm-node.crt cannot be used`);
    expect(await docker.must(3, "ps", "-q")).toBe(containers);
    await lab.lab("kill", "3");
    await lab.run(["rm", `${folder}/certificates/swarm-node.crt`]);
    await lab.run(["mkdir", `${folder}/certificates/swarm-node.crt`]); // Cannot be read, as on a disk that fails.
    await lab.lab("start", "3");
    expect(await swarm(3, "Error")).toContain(`the file ${folder}/certificates/swarm-node.crt cannot be used: EISDIR`);
    expect(await docker.must(3, "ps", "-q")).toBe(containers);
    await lab.lab("kill", "3");
    await lab.run(["rmdir", `${folder}/certificates/swarm-node.crt`]);
    await lab.run(["mv", `${folder}/certificates/swarm-node.crt.whole`, `${folder}/certificates/swarm-node.crt`]);
    await lab.run(["truncate", "--size=20", `${folder}/state.json`]);
    await lab.lab("start", "3");
    expect(await swarm(3, "Error")).toContain(`${folder}/state.json is damaged`);
    expect((await docker.try(3, "swarm", "leave")).stderr).toMatch(/cannot take part/);
    await docker.must(3, "swarm", "leave", "--force");
    expect(await swarm(3, "LocalNodeState")).toBe("inactive");
    expect(await docker.must(3, "ps", "--all", "--quiet")).toBe("");
  });
});

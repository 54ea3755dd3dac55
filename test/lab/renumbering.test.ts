import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Hosts of managers get other addresses, and nobody does anything about it, as long as one can be found where it was. The tests are chapters of one story. */
describe("a manager whose address changes", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const addressOf = (asked: number, name: string) => docker.must(asked, "node", "inspect", "--format", "{{.ManagerStatus.Addr}}", name);
  const rejoin = async (node: number, address: string) =>
    lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", String(node)), "rejoin", address]);
  const renumber = async (node: number, from: string, to: string) => {
    await lab.lab("exec", String(node), "ip", "addr", "del", `${from}/24`, "dev", "eth0");
    await lab.lab("exec", String(node), "ip", "addr", "add", `${to}/24`, "dev", "eth0");
  };
  const isKnown = async (node: number, address: string, asked: readonly number[]) => {
    for (const other of asked)
      await until(
        `node ${other} knows ${address}`,
        async () => (await docker.try(other, "node", "inspect", "--format", "{{.ManagerStatus.Addr}}", `node-${node}`)).stdout.trim() === `${address}:2377`,
        45,
      );
  };
  /** All managers have the new address, and the manager takes part: with another one gone, nothing is decided without it. */
  const takesPart = async (node: number, address: string, asked: readonly number[]) => {
    await isKnown(node, address, asked);
    await docker.nodeIs(asked[0] ?? 1, `node-${node}`, "Ready Active Reachable");
  };
  const writes = (node: number, label: string) =>
    until(
      `a write through node ${node}`,
      async () => (await docker.try(node, "service", "update", "--detach", "--quiet", "--label-add", label, "some")).code === 0,
      45,
    );

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "3", "--workers", "1");
    await docker.importBusybox([4]);
    await docker.create("some", ["--replicas", "1", "--constraint", "node.hostname==node-4"]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("while its daemon is down, comes back at the new one", async () => {
    await lab.lab("kill", "3");
    await renumber(3, "10.88.0.3", "10.88.0.103");
    await lab.lab("start", "3");
    await takesPart(3, "10.88.0.103", [1, 2, 3]);
    expect(await docker.must(3, "info", "--format", "{{.Swarm.NodeAddr}}")).toBe("10.88.0.103");
    await lab.lab("kill", "2");
    await writes(3, "without=2");
    await lab.lab("start", "2");
    await docker.nodeIs(3, "node-2", "Ready Active Reachable");
  });

  test("while it leads: another one takes over, and it follows at its new address", async () => {
    const leader =
      (await Promise.all([1, 2].map(async (node) => ((await docker.node(3, `node-${node}`)).includes("Leader") ? node : 0)))).find((node) => node > 0) ?? 3;
    const from = (await addressOf(leader, "self")).split(":")[0] ?? "";
    const others = [1, 2, 3].filter((node) => node !== leader);
    await renumber(leader, from, `10.88.0.20${leader}`);
    await takesPart(leader, `10.88.0.20${leader}`, others);
    await writes(leader, "moved=leader");
    await until(
      "the worker follows the managers as they are now",
      async () => {
        const known = JSON.parse(await docker.must(4, "info", "--format", "{{json .Swarm.RemoteManagers}}")) as { Addr: string }[];
        return known.some(({ Addr }) => Addr === `10.88.0.20${leader}:2377`) && known.length === 3;
      },
      45,
    );
    await docker.nodeIs(leader, "node-4", "Ready Active");
  });

  test("all managers at once: one command on each other node, and the swarm is what it was", async () => {
    // On a busy machine the worker must not seem down before it has rejoined.
    await docker.must(1, "swarm", "update", "--dispatcher-heartbeat", "10s");
    const containers = await docker.must(4, "ps", "--no-trunc", "--quiet");
    const ids = await Promise.all([1, 2, 3].map((node) => docker.must(node, "info", "--format", "{{.Swarm.NodeID}}")));
    for (const node of [1, 2, 3, 4]) await lab.lab("kill", String(node));
    for (const node of [1, 2, 3]) {
      const held = await lab.lab("exec", String(node), "ip", "-4", "-o", "addr", "show", "dev", "eth0");
      await renumber(node, /inet ([\d.]+)/.exec(held)?.[1] ?? "", `10.88.0.5${node}`);
    }
    for (const node of [1, 2, 3, 4]) await lab.lab("start", String(node));
    const itself = await rejoin(1, "10.88.0.51");
    expect(itself).toMatchObject({ code: 1, stderr: expect.stringContaining("10.88.0.51:2377 is this node itself: name another manager") });
    const nobody = await rejoin(2, "10.88.0.99");
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot reach 10.88.0.99:2377") });
    for (const node of [2, 3, 4]) expect(await rejoin(node, "10.88.0.51")).toMatchObject({ code: 0 });
    for (const node of [1, 2, 3]) await isKnown(node, `10.88.0.5${node}`, [1, 2, 3]);
    await writes(3, "moved=all");
    await docker.nodeIs(1, "node-4", "Ready Active");
    expect(await Promise.all([1, 2, 3].map((node) => docker.must(node, "info", "--format", "{{.Swarm.NodeID}}")))).toEqual(ids);
    expect(await docker.must(4, "ps", "--no-trunc", "--quiet")).toBe(containers);
  });

  test("while the group changed so that it knows nobody: it is told of a manager that joined meanwhile", async () => {
    await lab.lab("kill", "3");
    await docker.nodeIs(1, "node-3", "Down Active Unreachable");
    await docker.must(1, "node", "promote", "node-4");
    await docker.nodeIs(1, "node-4", "Ready Active Reachable");
    await docker.must(1, "node", "demote", "node-2");
    await renumber(1, "10.88.0.51", "10.88.0.151");
    await isKnown(1, "10.88.0.151", [4]);
    await renumber(3, "10.88.0.53", "10.88.0.153");
    await lab.lab("start", "3");
    await until("node 3 finds nobody", async () => /does not have a leader/.test(await docker.must(3, "info", "--format", "{{.Swarm.Error}}")));
    expect(await rejoin(3, "10.88.0.4")).toMatchObject({ code: 0, stderr: "" });
    await takesPart(3, "10.88.0.153", [1, 3, 4]);
  });
});

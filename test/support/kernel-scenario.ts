import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { openKernel } from "../../src/kernel/native-kernel.js";
import type { ContainerNetwork } from "../../src/model/container-network.js";
import { ContainerWorld } from "./container-world.js";

/**
 * Run by kernel tests as a program of its own in a fresh network namespace: prints what it saw as one line of JSON.
 * Links, addresses and routes are gone with the namespace.
 */
const kernel = openKernel();
const ip = (...args: string[]) => JSON.parse(execFileSync("ip", ["-j", ...args], { encoding: "utf8" })) as unknown;
const failureOf = async (call: () => unknown) => {
  try {
    await call();
    return "";
  } catch (cause) {
    return cause instanceof Error && "code" in cause ? `${cause.code}: ${cause.message}` : String(cause);
  }
};

async function links() {
  const bridge = { name: "sw-br0", address: "10.77.0.1/24", mtu: 1450 };
  await kernel.createBridge(bridge);
  await kernel.createBridge(bridge);
  await kernel.addAddress("sw-br0", "10.77.1.1/24");
  await kernel.addAddress("sw-br0", "10.77.1.1/24");
  const made = await kernel.listLinks("sw-");
  const addresses = ip("address", "show", "dev", "sw-br0");
  await kernel.setLinkUp("sw-br0", false);
  const down = await kernel.listLinks("sw-br0");
  const failures = [
    await failureOf(() => kernel.createBridge({ name: "lo", address: "10.77.0.1/24", mtu: 1450 })),
    await failureOf(() => kernel.createBridge({ name: "a-name-that-is-too-long", address: "10.77.0.1/24", mtu: 1450 })),
    await failureOf(() => kernel.createBridge({ name: "sw-br1", address: "10.77.0.300/24", mtu: 1450 })),
    await failureOf(() => kernel.addAddress("sw-none", "10.77.0.1/24")),
  ];
  return {
    made,
    addresses,
    down,
    failures,
    deleted: [await kernel.deleteLink("sw-br0"), await kernel.deleteLink("sw-br0")],
    left: await kernel.listLinks("sw-"),
  };
}

async function containers() {
  await kernel.createBridge({ name: "sw-br0", address: "10.77.0.1/24", mtu: 1450 });
  await using world = await ContainerWorld.open();
  const network = (number: number): ContainerNetwork => ({
    bridge: "sw-br0",
    hostInterface: `sw-v${number}`,
    macAddress: `02:42:0a:4d:00:0${number}`,
    address: `10.77.0.${number}/24`,
    gateway: "10.77.0.1",
    mtu: 1450,
  });
  const first = await world.startReady({ network: network(2) });
  const ports = await kernel.listLinks("sw-v");
  const inside = await world.run("ip -o link; ip -o -4 addr; ip route; ping -c 1 -W 10 10.77.0.1 && ping -c 1 -W 10 10.77.0.2; cat /etc/hosts | tail -1", {
    network: network(3),
    hostname: "box",
  });
  // A link that an earlier daemon left under this name does not prevent the start.
  execFileSync("ip", ["link", "add", "sw-v4", "type", "veth", "peer", "name", "sw-p4"]);
  const again = await world.run("ip -o -4 addr show eth0", { network: network(4) });
  const none = await world.run("ip -o link", { network: null });
  const host = await world.run("ip -o link", { network: "host" });
  await world.runtime.remove(first, { force: true });
  return { ports, inside, again, none, host, left: await kernel.listLinks("sw-v") };
}

function locks() {
  const path = join(process.argv[3] ?? "", "lock");
  const lock = kernel.lockFile(path);
  const second = failureOf(() => kernel.lockFile(path));
  lock.release();
  kernel.lockFile(path).release();
  return second;
}

/** With version 2 as the only cgroup hierarchy in sight. */
async function unified() {
  await using world = await ContainerWorld.open();
  const id = await world.startReady();
  const groups = world.cgroups().filter((path) => path.endsWith(id.slice(0, 32)));
  const { output } = await world.run("cat /proc/self/cgroup | tail -1; mount | grep cgroup; mknod /disk b 254 0 && head -c 1 /disk");
  await world.reopen();
  const state = world.runtime.inspect(id)?.state;
  await world.runtime.remove(id, { force: true });
  return { groups, output, state, left: world.cgroups().filter((path) => path.endsWith(id.slice(0, 32))) };
}

const scenarios: Readonly<Record<string, () => Promise<unknown>>> = { links, containers, locks, unified };
console.log(JSON.stringify(await scenarios[process.argv[2] ?? ""]?.()));

/**
 * Runs in network, mount and process namespaces of its own (host-network.test.ts starts it there) and prints what it saw as JSON. Its
 * "host" is this namespace; "client" and each container are further ones.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { silentLogger } from "../../../src/base/log.js";
import { openKernel } from "../../../src/kernel/native-kernel.js";
import type { ContainerNetwork } from "../../../src/model/container-network.js";
import type { PortConfig } from "../../../src/model/objects.js";
import { LocalHostNetwork } from "../../../src/network/local-host-network.js";
import { until } from "../../support/until.js";

const run = (command: string) => execFileSync("sh", ["-ec", command], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const inside = (pid: number, command: string) => run(`nsenter --net=/proc/${pid}/ns/net ${command}`).trim();
/** Of who answers, however slowly: "failed" when nobody does for so many seconds. */
const get = (pid: number, url: string, seconds = 20) => {
  try {
    return inside(pid, `curl --noproxy '*' -sf --max-time ${seconds} http://${url}`);
  } catch {
    return "failed";
  }
};
/** Where nobody is to answer. */
const tryGet = (pid: number, url: string) => get(pid, url, 2);
const port = (publishedPort: number, protocol: PortConfig["protocol"] = "tcp"): PortConfig => ({
  name: "",
  protocol,
  targetPort: 80,
  publishedPort,
  publishMode: "host",
});
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => "attached",
    (cause: { code?: string; message: string }) => `${cause.code}: ${cause.message}`,
  );

/** A process that answers HTTP with `text` in a network namespace of its own. */
async function webServer(text: string): Promise<ChildProcess & { pid: number }> {
  const folder = `/mnt/${text}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/index.html`, text);
  const child = spawn("unshare", ["--net", "busybox", "httpd", "-f", "-p", "80", "-h", folder], { stdio: "ignore" });
  await until(`${text} listens`, () => inside(child.pid ?? 0, "cat /proc/net/tcp6 /proc/net/tcp").includes(":0050"));
  return child as ChildProcess & { pid: number };
}

/** What the shim does with a ContainerNetwork. */
function plug(pid: number, network: ContainerNetwork): void {
  run(`ip link add ${network.hostInterface} mtu ${network.mtu} type veth peer name eth0 netns ${pid}
       ip link set ${network.hostInterface} master ${network.bridge} up`);
  inside(pid, `ip link set eth0 address ${network.macAddress} up`);
  inside(pid, "ip link set lo up");
  inside(pid, `ip addr add ${network.address} dev eth0`);
  inside(pid, `ip route add default via ${network.gateway}`);
}

async function main(): Promise<Record<string, unknown>> {
  const kernel = openKernel();
  // Seen only in this mount namespace: nothing is left on disk.
  run("mount -t tmpfs none /mnt");
  run("ip link set lo up");
  const client = await webServer("client");
  run(`ip link add up0 type veth peer name eth0 netns ${client.pid}; ip addr add 10.99.0.1/24 dev up0; ip link set up0 up`);
  inside(client.pid, "ip addr add 10.99.0.2/24 dev eth0");
  inside(client.pid, "ip link set eth0 up");
  inside(client.pid, "ip route add 172.30.0.0/16 via 10.99.0.1");

  const options = { ownerId: "ab12cd34", subnet: "172.30.0.0/16", kernel, logger: silentLogger };
  const first = new LocalHostNetwork(options);
  await first.start([]);
  const [idA, idB] = ["a".repeat(64), "b".repeat(64)];
  const [serverA, serverB] = [await webServer("A"), await webServer("B")];
  const prepared = await first.attach(idA, []);
  plug(serverA.pid, prepared.network);
  const a = await first.attach(idA, [port(8080), port(0)]);
  const b = await first.attach(idB, []);
  plug(serverB.pid, b.network);
  const ephemeral = a.ports[1]?.publishedPort ?? 0;
  const reach = () => ({
    loopback: get(process.pid, "127.0.0.1:8080"),
    ownAddress: get(process.pid, "10.99.0.1:8080"),
    client: get(client.pid, "10.99.0.1:8080"),
    otherContainer: get(serverB.pid, "10.99.0.1:8080"),
    itself: get(serverA.pid, "10.99.0.1:8080"),
  });
  const seen: Record<string, unknown> = {
    isSameNetwork: prepared.network.address === a.network.address,
    reach: reach(),
    ephemeral: get(client.pid, `10.99.0.1:${ephemeral}`),
    isEphemeral: ephemeral >= 32_768 && ephemeral <= 60_999,
    direct: tryGet(client.pid, "172.30.0.2"),
    outbound: get(serverB.pid, "10.99.0.2"),
    neighbour: get(serverB.pid, a.network.address.split("/")[0] ?? ""),
    conflict: await codeOf(first.attach("c".repeat(64), [port(8080)])),
    otherProtocol: await codeOf(first.attach("d".repeat(64), [port(8080, "udp")])),
  };
  const serverE = await webServer("E");
  const e = await first.attach("1".repeat(64), [
    { ...port(8181), address: "127.0.0.1" },
    { ...port(8282), address: "10.99.0.1" },
    { ...port(8080), protocol: "udp", address: "10.99.0.1", publishedPort: 8083 },
  ]);
  plug(serverE.pid, e.network);
  // One who sends what is for the host's loopback over the bridge.
  inside(serverB.pid, "sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet'");
  for (const route of ["127.0.0.0/8", "127.0.0.1"]) inside(serverB.pid, `ip route del local ${route} dev lo table local`);
  inside(serverB.pid, `ip route add 127.0.0.1 via 172.30.0.1 dev eth0 src ${b.network.address.split("/")[0]}`);
  seen.onAddress = {
    own: [
      get(process.pid, "127.0.0.1:8181"),
      tryGet(client.pid, "10.99.0.1:8181"),
      tryGet(serverA.pid, "172.30.0.1:8181"),
      tryGet(serverB.pid, "127.0.0.1:8181"),
    ],
    other: [get(process.pid, "10.99.0.1:8282"), get(client.pid, "10.99.0.1:8282"), tryGet(process.pid, "127.0.0.1:8282")],
    elsewhere: await codeOf(first.attach("2".repeat(64), [{ ...port(8181), address: "192.0.2.9" }])),
  };
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(9090, "127.0.0.1", resolve));
  seen.listener = await codeOf(first.attach("e".repeat(64), [port(9091), port(9090)]));
  listener.close();
  seen.afterListener = await codeOf(first.attach("e".repeat(64), [port(9091), port(9090)]));

  // The daemon is restarted: what it knows of the live ones is given back, the rest is swept.
  run("ip link add vab12cd34stray type veth peer name stray0");
  await first[Symbol.asyncDispose]();
  const second = new LocalHostNetwork(options);
  await second.start([
    { containerId: idA, ...a },
    { containerId: idB, ...b },
  ]);
  seen.afterRestart = reach();
  seen.links = (await kernel.listLinks("vab12cd34")).map((link) => link.name);
  seen.conflictAfterRestart = await codeOf(second.attach("c".repeat(64), [port(8080)]));
  seen.nextAddress = (await second.attach("f".repeat(64), [])).network.address;
  await second.detach(idA);
  await second.detach(idA);
  seen.afterDetach = { loopback: tryGet(process.pid, "127.0.0.1:8080"), again: await codeOf(second.attach("c".repeat(64), [port(8080)])) };

  // A packet filter that dies is started again.
  run("kill -9 $(busybox pidof nft)");
  seen.afterKill = await codeOf(second.attach("7".repeat(64), [port(7070)]));

  // Somebody else removes all rules: the next change makes them anew, for those that it is not about too.
  run("nft flush ruleset");
  const g = await second.attach("8".repeat(64), [port(8383)]);
  await second.attach(idB, [port(8484)]);
  run("nft flush ruleset");
  await second.detach("8".repeat(64));
  seen.afterFlush = { port: g.ports[0]?.publishedPort, other: get(client.pid, "10.99.0.1:8484"), outbound: get(serverB.pid, "10.99.0.2") };

  await second.destroy();
  seen.afterDestroy = { bridge: run("ip -br link show type bridge").trim(), rules: run("nft list ruleset").trim(), links: await kernel.listLinks("vab12cd34") };
  await second[Symbol.asyncDispose]();
  for (const server of [client, serverA, serverB, serverE]) server.kill("SIGKILL");
  return seen;
}

main().then(
  (seen) => {
    process.stdout.write(JSON.stringify(seen));
    process.exit(0);
  },
  (cause: unknown) => {
    console.error(cause);
    process.exit(1);
  },
);

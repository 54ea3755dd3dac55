import { beforeEach, expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { SeededRandom } from "../../../src/base/random.js";
import { RecordingKernel } from "../../../src/kernel/recording-kernel.js";
import type { PortConfig } from "../../../src/model/objects.js";
import { LocalHostNetwork } from "../../../src/network/local-host-network.js";

const port = (publishedPort: number): PortConfig => ({ name: "", protocol: "tcp", targetPort: 80, publishedPort, publishMode: "host" });
const idOf = (digit: string) => digit.repeat(64);

let kernel: RecordingKernel;
let transactions: string[][];
let failure: ClusterError | null;
let refuse: (commands: readonly string[]) => ClusterError | null;
let busy: Set<number>;
let busyThere: Set<string>;
let network: LocalHostNetwork;

beforeEach(async () => {
  kernel = new RecordingKernel();
  transactions = [];
  failure = null;
  refuse = () => null;
  busy = new Set();
  busyThere = new Set();
  network = new LocalHostNetwork({
    ownerId: "abc",
    subnet: "172.30.0.0/16",
    kernel,
    logger: silentLogger,
    random: new SeededRandom(1),
    packetFilter: {
      async apply(commands) {
        const refusal = failure ?? refuse(commands);
        if (refusal !== null) throw refusal;
        transactions.push([...commands]);
      },
      async [Symbol.asyncDispose]() {},
    },
    isPortFree: async (_, number, address) => !busy.has(number) && !busyThere.has(`${address}:${number}`),
    setSysctl: async (name, value) => void kernel.calls.push(`${name}=${value}`),
  });
  await network.start([]);
  transactions.length = 0;
});

test("starting makes the bridge and sets the host up for it", () => {
  expect(kernel.calls).toEqual([
    "createBridge swabc0 172.30.0.1/16 1500",
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.swabc0.route_localnet=1",
    "net.ipv6.conf.swabc0.disable_ipv6=1",
    "net.bridge.bridge-nf-call-iptables=0",
    "net.bridge.bridge-nf-call-ip6tables=0",
  ]);
});

test("a container without ports changes no rule", async () => {
  const endpoint = await network.attach(idOf("a"), []);
  await network.detach(idOf("a"));
  expect(transactions).toEqual([]);
  expect(endpoint).toEqual({
    network: {
      bridge: "swabc0",
      hostInterface: "vabcaaaaaaaaaaa",
      macAddress: "02:42:ac:1e:00:02",
      address: "172.30.0.2/16",
      gateway: "172.30.0.1",
      mtu: 1500,
    },
    ports: [],
  });
});

test("a hardware address that is asked for is had, also over a restart", async () => {
  const asked = await network.attach(idOf("a"), [], "92:d0:c6:0a:29:33");
  expect(asked.network).toMatchObject({ macAddress: "92:d0:c6:0a:29:33", address: "172.30.0.2/16" });
  await network.start([{ containerId: idOf("a"), ...asked }]);
  expect((await network.attach(idOf("a"), [])).network).toEqual(asked.network);
});

test("attaching again with ports publishes them for the same address", async () => {
  const { network: before } = await network.attach(idOf("a"), []);
  const { network: after, ports } = await network.attach(idOf("a"), [port(8080)]);
  expect(after).toEqual(before);
  expect(ports).toEqual([port(8080)]);
  expect(transactions).toEqual([["add element ip swarm_abc host_ports { tcp . 8080 : 172.30.0.2 . 80 }"]]);
});

test("ids that begin alike get interfaces of their own", async () => {
  const [one, two] = [`${"a".repeat(63)}1`, `${"a".repeat(63)}2`];
  const names = [(await network.attach(one, [])).network.hostInterface, (await network.attach(two, [])).network.hostInterface];
  expect(new Set(names).size).toBe(2);
  expect(names.every((name) => name.length <= 15)).toBe(true);
});

test("of two that want a port at the same time one gets it", async () => {
  const results = await Promise.allSettled([network.attach(idOf("a"), [port(80)]), network.attach(idOf("b"), [port(80)])]);
  expect(results.map((result) => result.status).toSorted()).toEqual(["fulfilled", "rejected"]);
});

test("a port that a program has is refused, and what was claimed beside it is given back", async () => {
  busy.add(81);
  await expect(network.attach(idOf("a"), [port(80), port(81)])).rejects.toMatchObject({ code: "already_exists", message: expect.stringContaining("81/tcp") });
  await expect(network.attach(idOf("b"), [port(80)])).resolves.toMatchObject({ ports: [port(80)] });
});

test("a port on one address leaves those of the others, but none on each", async () => {
  const on = (address: string) => ({ ...port(80), address });
  const { ports } = await network.attach(idOf("a"), [on("127.0.0.1"), port(81)]);
  expect(ports).toEqual([on("127.0.0.1"), port(81)]);
  expect(transactions).toEqual([
    ["add element ip swarm_abc host_ports { tcp . 81 : 172.30.0.2 . 80 }", "add element ip swarm_abc address_ports { 127.0.0.1 . tcp . 80 : 172.30.0.2 . 80 }"],
  ]);
  await network.attach(idOf("b"), [on("10.0.0.1")]);
  const refused = (wanted: Parameters<typeof network.attach>[1]) => expect(network.attach(idOf("c"), wanted)).rejects;
  await refused([on("127.0.0.1")]).toThrow("port 80/tcp is already in use on 127.0.0.1 of this host by a container");
  await refused([port(80)]).toThrow("port 80/tcp is already in use on this host by a container");
  await refused([{ ...port(81), address: "10.0.0.1" }]).toMatchObject({ code: "already_exists" });
  busyThere.add("10.0.0.1:90");
  await refused([{ ...port(90), address: "10.0.0.1" }]).toThrow("port 90/tcp is already in use on 10.0.0.1 of this host by a program");
  await network.attach(idOf("d"), [{ ...port(90), address: "10.0.0.2" }]);
  transactions.length = 0;
  await network.detach(idOf("a"));
  expect(transactions[0]?.slice(2)).toEqual([
    "delete element ip swarm_abc host_ports { tcp . 81 }",
    "delete element ip swarm_abc address_ports { 127.0.0.1 . tcp . 80 }",
  ]);
  await network.attach(idOf("c"), [on("127.0.0.1"), port(81)]);
  await network.detach(idOf("b"));
  await network.detach(idOf("c"));
  await network.attach(idOf("c"), [port(80)]);
});

test("of a range it is the first that is free, until none is", async () => {
  const range = { ...port(80), lastPort: 82 };
  busy.add(80);
  expect((await network.attach(idOf("a"), [range])).ports).toEqual([port(81)]);
  expect((await network.attach(idOf("b"), [range])).ports).toEqual([port(82)]);
  await expect(network.attach(idOf("c"), [range])).rejects.toMatchObject({
    code: "already_exists",
    message: "all tcp ports from 80 to 82 are already in use on this host",
  });
  await network.detach(idOf("a"));
  expect((await network.attach(idOf("c"), [range])).ports).toEqual([port(81)]);
});

test("a chosen port is one that nobody has", async () => {
  for (let number = 32_768; number <= 60_999; number++) if (number % 100 !== 0) busy.add(number);
  const { ports } = await network.attach(idOf("a"), [port(0)]);
  expect((ports[0]?.publishedPort ?? 1) % 100).toBe(0);
});

test("what the packet filter refuses leaves nothing behind", async () => {
  failure = new ClusterError("internal", "nft: no");
  await expect(network.attach(idOf("a"), [port(80)])).rejects.toThrow("nft: no");
  failure = null;
  await expect(network.attach(idOf("b"), [port(80)])).resolves.toBeDefined();
  failure = new ClusterError("internal", "nft: no");
  await expect(network.detach(idOf("b"))).rejects.toThrow("nft: no");
  failure = null;
  await network.detach(idOf("b"));
  await expect(network.attach(idOf("c"), [port(80)])).resolves.toBeDefined();
});

test("rules that somebody else removed are made anew, with the ports of all", async () => {
  const isWhole = (commands: readonly string[]) => commands[0] === "add table ip swarm_abc";
  let isGone = false;
  refuse = (commands) => {
    if (isWhole(commands)) isGone = false;
    return isGone ? new ClusterError("internal", "nft: No such file or directory") : null;
  };
  await network.attach(idOf("a"), [port(80)]);
  isGone = true;
  await Promise.all([network.attach(idOf("b"), [port(81)]), network.attach(idOf("c"), [port(82)])]);
  const elements = "tcp . 80 : 172.30.0.2 . 80, tcp . 81 : 172.30.0.3 . 80, tcp . 82 : 172.30.0.4 . 80";
  expect(transactions.findLast(isWhole)?.at(-1)).toBe(`add element ip swarm_abc host_ports { ${elements} }`);
  isGone = true;
  await network.detach(idOf("b"));
  expect(transactions.findLast(isWhole)?.at(-1)).toBe(`add element ip swarm_abc host_ports { ${elements.replace(/tcp . 81.*?, /, "")} }`);
});

test("what lives is known after a restart, and links of nobody are removed", async () => {
  const live = await network.attach(idOf("a"), [port(8080)]);
  kernel.plugIn(live.network.hostInterface, "veth");
  kernel.plugIn("vabcstray", "veth");
  kernel.plugIn("vabd000", "veth");
  transactions.length = 0;
  await network.start([{ containerId: idOf("a"), ...live }]);
  expect(transactions).toHaveLength(1);
  expect(transactions[0]?.at(-1)).toBe("add element ip swarm_abc host_ports { tcp . 8080 : 172.30.0.2 . 80 }");
  expect((await kernel.listLinks("vab")).map((link) => link.name)).toEqual(["vabcaaaaaaaaaaa", "vabd000"]);
  await expect(network.attach(idOf("b"), [port(8080)])).rejects.toMatchObject({ code: "already_exists" });
});

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemCodeOf } from "../../../src/base/errors.js";
import { openKernel } from "../../../src/kernel/native-kernel.js";
import { ContainerWorld } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";
import { until } from "../../support/until.js";

const SHOW = "cat /proc/net/if_inet6; for name in lo eth0; do cat /proc/sys/net/ipv6/conf/$name/disable_ipv6; done; ip -4 -o addr show eth0; ip -4 route";

describeAsRoot("a container on a bridge", () => {
  const tag = randomBytes(4).toString("hex");
  const kernel = openKernel();
  const network = {
    bridge: `swb${tag}`,
    hostInterface: `swv${tag}`,
    macAddress: "02:42:0a:fd:00:02",
    address: "10.253.0.2/24",
    gateway: "10.253.0.1",
    mtu: 1400,
  };
  let world: ContainerWorld;

  beforeAll(async () => {
    world = await ContainerWorld.open();
    await kernel.createBridge({ name: network.bridge, address: "10.253.0.1/24", mtu: 1400 });
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await kernel.deleteLink(network.bridge);
  });

  test("has its address and route, and no IPv6 but that of loopback: none that another container could tell it", async () => {
    const { output } = await world.run(SHOW, { network });
    const lines = output.trim().split("\n");
    expect(lines.slice(0, 3)).toEqual([expect.stringMatching(/^0{31}1 .* lo$/), "0", "1"]);
    expect(lines.slice(3).join("\n")).toMatch(/10\.253\.0\.2\/24 brd 10\.253\.0\.255.*default via 10\.253\.0\.1 dev eth0/s);
  });

  test("answers those at once who have called since before it was there", async () => {
    const neighbour = () => execFileSync("ip", ["neighbour", "show", "10.253.0.9", "dev", network.bridge], { encoding: "utf8" });
    const id = await world.create({ network: { ...network, address: "10.253.0.9/24", macAddress: "02:42:0a:fd:00:09" } });
    const early = connect({ host: "10.253.0.9", port: 81 });
    const outcome = new Promise<string>((resolve) => early.once("error", (cause: Error) => resolve(systemCodeOf(cause) ?? "")));
    await until("the host looks for it", () => neighbour().includes("INCOMPLETE"));
    await world.runtime.start(id);
    // By itself, the host asks again a second after it has asked first.
    await until("the host knows it", () => neighbour().includes("lladdr 02:42:0a:fd:00:09"), 0.4);
    expect(await outcome).toBe("ECONNREFUSED");
    await world.runtime.remove(id, { force: true });
  });

  test("finds its own name at the address that it has at each start, and the resolvers of its settings again", async () => {
    const script = "tail -n 1 /etc/hosts; cat /etc/resolv.conf; : >/etc/hosts; : >/etc/resolv.conf";
    const config = { network, hostname: "box", dns: { nameservers: ["192.0.2.53"], search: ["."], options: [] } };
    const id = await world.ran(script, config);
    await world.runtime.update(id, { network: { ...network, address: "10.253.0.3/24" } });
    await world.runtime.start(id);
    await world.runtime.wait(id);
    const seen = (address: string) => `${address}\tbox\nnameserver 192.0.2.53\n`;
    expect(await world.output(id)).toBe(seen("10.253.0.2") + seen("10.253.0.3"));
    await world.runtime.remove(id);
  });

  test("has IPv6 when its settings ask for it", async () => {
    // The kernel gives the address when it has noticed that the link is up.
    const script = `until grep eth0 /proc/net/if_inet6; do sleep 0.1; done; ${SHOW}`;
    const { output } = await world.run(script, { network, sysctls: { "net.ipv6.conf.all.disable_ipv6": "0" } });
    expect(output).toMatch(/^fe80\w+ .* eth0$/m);
  });

  test("is told why its first process failed, not that the network of what had ended could not be made", async () => {
    const source = join(world.folder, "gone");
    mkdirSync(source);
    const id = await world.create({
      network,
      mounts: [{ type: "bind", source, target: "/x", isReadOnly: false, propagation: "rprivate", sizeBytes: 0, mode: 0 }],
    });
    rmdirSync(source);
    await expect(world.runtime.start(id)).rejects.toThrow(`open bind source ${source}`);
    await world.runtime.remove(id);
  });
});

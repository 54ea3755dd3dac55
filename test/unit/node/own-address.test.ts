import { expect, test } from "vitest";
import { ownAddress } from "../../../src/node/own-address.js";

const entry = (address: string, internal = false) => ({ address, internal, family: "IPv4" as const, netmask: "", mac: "", cidr: null });
const before = { listenAddress: "0.0.0.0:2377", advertiseAddress: "10.0.0.1:2377", advertiseInterface: "eth0" };
const lo = [entry("127.0.0.1", true)];

test.each([
  ["is where it was", before, { lo, eth0: [entry("10.0.0.1")] }, before],
  ["is seen for the first time", { ...before, advertiseInterface: "" }, { lo, eth1: [entry("10.0.0.1")] }, { ...before, advertiseInterface: "eth1" }],
  ["went to another interface", before, { lo, eth0: [], eth1: [entry("10.0.0.1")] }, { ...before, advertiseInterface: "eth1" }],
  ["is another one", before, { lo, eth0: [entry("10.0.0.9")] }, { ...before, advertiseAddress: "10.0.0.9:2377" }],
  ["is gone, and there is none instead: it may come back", before, { lo, eth0: [] }, before],
  ["is gone with its interface", before, { lo, eth1: [entry("10.0.0.9")] }, before],
  [
    "was listened on too",
    { ...before, listenAddress: "10.0.0.1:99" },
    { eth0: [entry("10.0.0.9")] },
    { ...before, listenAddress: "10.0.0.9:99", advertiseAddress: "10.0.0.9:2377" },
  ],
])("an address that %s", (_title, state, interfaces, expected) => {
  expect(ownAddress(state, interfaces)).toEqual(expected);
});

test("an address that no interface ever had stays: it is that of a router in front, or a name", () => {
  const { advertiseInterface: _, ...behind } = { ...before, advertiseAddress: "manager.example:2377" };
  expect(ownAddress(behind, { lo, eth0: [entry("10.0.0.9")] })).toEqual(behind);
});

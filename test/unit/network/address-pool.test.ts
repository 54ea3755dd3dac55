import { expect, test } from "vitest";
import { AddressPool, macAddressOf } from "../../../src/network/address-pool.js";

test("the first address is the gateway's, the others are given out in turn", () => {
  const pool = new AddressPool("172.30.0.0/16");
  expect([pool.gateway, pool.total, pool.take(), pool.take()]).toEqual(["172.30.0.1", 65_533, "172.30.0.2", "172.30.0.3"]);
});

test("an address that was given back is not used again at once", () => {
  const pool = new AddressPool("10.1.2.9/29");
  expect(pool.subnet).toBe("10.1.2.8/29");
  const all = [pool.take(), pool.take(), pool.take()];
  pool.release("10.1.2.10");
  expect([...all, pool.take(), pool.take(), pool.take()]).toEqual(["10.1.2.10", "10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14", "10.1.2.10"]);
});

test("a full pool says how full", () => {
  const pool = new AddressPool("192.168.1.0/30");
  pool.take();
  expect(() => pool.take()).toThrow("no address left in 192.168.1.0/30: 1 of 1 are in use");
});

test("addresses of live containers are not given out", () => {
  const pool = new AddressPool("10.0.0.0/29");
  pool.reserve("10.0.0.3");
  pool.reserve("10.9.9.9");
  const taken = [pool.take(), pool.take(), pool.take(), pool.take()];
  expect(taken.toSorted()).toEqual(["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
});

test.each(["", "10.0.0.0", "10.0.0.0/31", "10.0.0.0/x", "300.0.0.0/16", "fd00::/64"])("%j is no subnet for a bridge", (subnet) => {
  expect(() => new AddressPool(subnet)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});

test("a hardware address is as unique as the address", () => {
  expect(macAddressOf("172.30.1.255")).toBe("02:42:ac:1e:01:ff");
});

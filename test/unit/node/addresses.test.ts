import { describe, expect, test } from "vitest";
import { formatHostPort, movedAddresses, parseHostPort, resolveAdvertiseAddress, resolveListenAddress } from "../../../src/node/addresses.js";

const entry = (address: string, internal = false) => [{ address, internal, family: "IPv4" as const, netmask: "", mac: "", cidr: null }];
const ONE = { lo: entry("127.0.0.1", true), eth0: entry("10.0.0.5"), sw1a2b3c4d0: entry("172.30.0.1") };
const six = (address: string, scopeid: number) => ({ address, internal: false, family: "IPv6" as const, netmask: "", mac: "", cidr: null, scopeid });
const SIX = { wan0: [six("fe80::1", 3), six("fd00::5", 0)], wan1: [six("fe80::2", 4)] };
const TWO = { ...ONE, eth1: entry("10.1.0.5") };

test.each([
  ["10.0.0.1", { host: "10.0.0.1", port: 2377 }],
  ["10.0.0.1:99", { host: "10.0.0.1", port: 99 }],
  ["host.example:1", { host: "host.example", port: 1 }],
  ["[::1]:5", { host: "::1", port: 5 }],
  ["[fe80::1]", { host: "fe80::1", port: 2377 }],
])("%s is understood, and written back", (text, expected) => {
  expect(parseHostPort(text)).toEqual(expected);
  expect(parseHostPort(formatHostPort(expected))).toEqual(expected);
});

test.each(["", ":5", "a:b", "a:99999", "a:0"])("%j is refused", (text) => expect(() => parseHostPort(text)).toThrow(/is not an address/));

describe("listening", () => {
  test("on an interface's address", () => expect(resolveListenAddress("eth0:99", ONE)).toEqual({ host: "10.0.0.5", port: 99 }));
  test("on everything by default", () => expect(resolveListenAddress("", ONE)).toEqual({ host: "0.0.0.0", port: 2377 }));
  test("not on an interface that does not exist", () =>
    expect(() => resolveListenAddress("eth9", ONE)).toThrow(/"eth9" is neither an IP address nor an interface/));
});

describe("the advertised address", () => {
  const listen = { host: "0.0.0.0", port: 2377 };
  test("is the only one of the host, bridges of our own aside", () =>
    expect(resolveAdvertiseAddress("", listen, ONE)).toEqual({ host: "10.0.0.5", port: 2377 }));
  test("cannot be chosen among several", () =>
    expect(() => resolveAdvertiseAddress("", listen, TWO)).toThrow(/could not choose an IP address to advertise.*10\.0\.0\.5 on eth0, 10\.1\.0\.5 on eth1/));
  test("is never one of a link alone", () => {
    expect(resolveAdvertiseAddress("wan0", listen, SIX)).toEqual({ host: "fd00::5", port: 2377 });
    expect(() => resolveAdvertiseAddress("wan1", listen, SIX)).toThrow('the interface "wan1" of this host has no address beside those of its link');
  });
  test("is what was given", () => expect(resolveAdvertiseAddress("eth1", listen, TWO)).toEqual({ host: "10.1.0.5", port: 2377 }));
  test("is what is listened on", () => expect(resolveAdvertiseAddress("", { host: "10.1.0.5", port: 9 }, TWO)).toEqual({ host: "10.1.0.5", port: 9 }));
});

describe("the addresses of a node that is there", () => {
  const moved = (before: string, listenAddress: string, advertiseAddress: string) =>
    movedAddresses({ listenAddress: before }, { listenAddress, advertiseAddress }, TWO);

  test.each([
    ["stay when nothing is asked for", "0.0.0.0:2377", "0.0.0.0:2377", "", null],
    ["stay where they are not the default", "10.0.0.5:99", "0.0.0.0:2377", "", null],
    ["become what is given", "0.0.0.0:99", "", "eth1", { listenAddress: "0.0.0.0:99", advertiseAddress: "10.1.0.5:99" }],
    ["become what is listened on", "0.0.0.0:2377", "eth1:99", "", { listenAddress: "10.1.0.5:99", advertiseAddress: "10.1.0.5:99" }],
    ["are not those that the host has lost", "10.0.0.9:99", "0.0.0.0:2377", "eth0", { listenAddress: "0.0.0.0:2377", advertiseAddress: "10.0.0.5:2377" }],
  ])("%s", (_what, before, listen, advertise, expected) => expect(moved(before, listen, advertise)).toEqual(expected));

  test("are addresses of this host where it listens", () =>
    expect(() => moved("0.0.0.0:2377", "10.0.0.9", "eth0")).toThrow("cannot listen on 10.0.0.9:2377: it is no address of this host"));
});

import { expect, test } from "vitest";
import { namesFromDocker } from "../../../src/api/http/convert/container-names.js";
import { Fields } from "../../../src/api/http/convert/fields.js";

const read = (host: object) => namesFromDocker(new Fields(host, "HostConfig"));

test("hosts and resolvers are taken as they are given", () => {
  const dns = { Dns: ["192.0.2.1", "fe80::1%eth0"], DnsSearch: ["a.test", "."], DnsOptions: ["ndots:2 edns0"] };
  expect(read({ ...dns, ExtraHosts: ["db:192.0.2.7", "six:2001:db8::1", "up:host-gateway"] })).toEqual({
    hosts: [
      { name: "db", address: "192.0.2.7" },
      { name: "six", address: "2001:db8::1" },
      { name: "up", address: "host-gateway" },
    ],
    dns: { nameservers: ["192.0.2.1", "fe80::1%eth0"], search: ["a.test", "."], options: ["ndots:2 edns0"] },
  });
  expect(read({})).toEqual({ hosts: [], dns: { nameservers: [], search: [], options: [] } });
});

test.each([
  [{ Dns: ["nonsense"] }, 'DNS server "nonsense" is not an IP address'],
  [{ Dns: [""] }, 'DNS server "" is not an IP address'],
  [{ DnsSearch: ["a\nnameserver 192.0.2.9"] }, "is not a valid domain"],
  [{ DnsOptions: ["a\nnameserver 192.0.2.9"] }, "is more than one line"],
  [{ ExtraHosts: ["nonsense"] }, 'bad format for add-host: "nonsense"'],
  [{ ExtraHosts: [":192.0.2.1"] }, 'bad format for add-host: ":192.0.2.1"'],
  [{ ExtraHosts: ["a:"] }, 'bad format for add-host: "a:"'],
  [{ ExtraHosts: ["a b:192.0.2.1"] }, 'bad format for add-host: "a b:192.0.2.1"'],
  [{ ExtraHosts: ["a:nonsense"] }, 'invalid IP address in add-host: "nonsense"'],
  [{ ExtraHosts: ["a:192.0.2.1 b\n192.0.2.2"] }, "invalid IP address in add-host"],
])("%j is refused", (host, message) => {
  expect(() => read(host)).toThrow(expect.objectContaining({ status: 400, message: expect.stringContaining(message) }));
});

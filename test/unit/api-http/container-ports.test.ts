import { expect, test } from "vitest";
import { bindingsFromDocker } from "../../../src/api/http/convert/container-ports.js";
import { Fields } from "../../../src/api/http/convert/fields.js";
import { bindingsOf } from "../../../src/api/http/convert/network-settings.js";

const read = (key: string, binding: unknown) => bindingsFromDocker(new Fields({ PortBindings: { [key]: [binding] } }, ""), []);
const PORT = { name: "", protocol: "tcp", targetPort: 80, publishMode: "host" } as const;

test.each([
  [{ HostPort: "8080" }, { publishedPort: 8080 }, { HostIp: "0.0.0.0", HostPort: "8080" }],
  [{ HostIp: "::", HostPort: "" }, { publishedPort: 0 }, { HostIp: "0.0.0.0", HostPort: "0" }],
  [
    { HostIp: "127.0.0.1", HostPort: "8080" },
    { publishedPort: 8080, address: "127.0.0.1" },
    { HostIp: "127.0.0.1", HostPort: "8080" },
  ],
  [
    { HostIp: "10.0.0.1", HostPort: "" },
    { publishedPort: 0, address: "10.0.0.1" },
    { HostIp: "10.0.0.1", HostPort: "0" },
  ],
  [{ HostPort: "8000-8010" }, { publishedPort: 8000, lastPort: 8010 }, { HostIp: "0.0.0.0", HostPort: "8000-8010" }],
  [{ HostPort: "8000-8000" }, { publishedPort: 8000 }, { HostIp: "0.0.0.0", HostPort: "8000" }],
])("a binding to %j", (binding, port, shown) => {
  expect(read("80/tcp", binding)).toEqual([{ ...PORT, ...port }]);
  expect(bindingsOf(read("80/tcp", binding))).toEqual({ "80/tcp": [shown] });
});

test.each([
  [{ HostPort: "x" }, 'invalid port specification: "x"'],
  [{ HostPort: "-5" }, 'invalid port specification: "-5"'],
  [{ HostPort: "8010-8000" }, 'invalid port specification: "8010-8000"'],
  [{ HostPort: "0-5" }, 'invalid port specification: "0-5"'],
  [{ HostPort: "65000-65536" }, 'invalid port specification: "65000-65536"'],
  [{ HostIp: "host", HostPort: "1" }, 'invalid IP address to publish a port on: "host"'],
  [{ HostIp: "::1", HostPort: "1" }, "publishing on an IPv6 address is not supported yet: ::1"],
])("%j is refused", (binding, message) => expect(() => read("80/tcp", binding)).toThrow(message));

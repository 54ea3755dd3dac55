import { expect, test } from "vitest";
import { networkFromDocker } from "../../../src/api/http/convert/container-network.js";
import { Fields } from "../../../src/api/http/convert/fields.js";
import { HttpError } from "../../../src/api/http/errors.js";
import { FakeClock } from "../../../src/base/clock.js";
import { containerConfig } from "../../support/container-config.js";
import { FakeRuntime } from "../../support/fake-runtime.js";

const A = "a".repeat(64);
const runtime = new FakeRuntime(new FakeClock());
await runtime.create(containerConfig(A, "near"));

function read(mode: string, body: object, { apiMinor = 47, host = {} } = {}) {
  const findContainer = (reference: string) => {
    const found = runtime.inspect(reference);
    if (found === undefined) throw new HttpError(404, `No such container: ${reference}`);
    return found;
  };
  return networkFromDocker(new Fields({ NetworkMode: mode, ...host }, "HostConfig"), new Fields(body, ""), { findContainer, apiMinor });
}

const ofEndpoint = (name: string, macAddress: string) => ({ NetworkingConfig: { EndpointsConfig: { [name]: { MacAddress: macAddress } } } });
const MAC = "92:D0:c6:0a:29:33";

test.each([
  ["", {}, "bridge", ""],
  ["default", { MacAddress: MAC }, "bridge", MAC],
  ["bridge", { MacAddress: "92-d0-c6-0a-29-33" }, "bridge", "92-d0-c6-0a-29-33"],
  ["none", { MacAddress: MAC }, "none", MAC],
  ["host", {}, "host", ""],
  ["container:near", {}, { container: A }, ""],
  ["bridge", ofEndpoint("bridge", MAC), "bridge", MAC],
  ["bridge", { MacAddress: MAC, ...ofEndpoint("default", MAC) }, "bridge", MAC],
  ["bridge", { NetworkDisabled: true }, "none", ""],
])("network %j with %j is %j with the address %j", (mode, body, network, macAddress) => {
  expect(read(mode, body)).toEqual({ network, macAddress });
});

test.each([
  ["host", { MacAddress: MAC }, 400, "conflicting options: mac-address and the network mode"],
  ["container:near", { MacAddress: MAC }, 400, "conflicting options: mac-address and the network mode"],
  ["container:far", {}, 404, "No such container: far"],
  ["other", {}, 501, 'attaching containers to networks is not supported yet: "other" is none of bridge, host, none and container:…'],
  ["", ofEndpoint("other", ""), 501, 'attaching containers to networks is not supported yet: "other"'],
  ["", { MacAddress: "92:d0" }, 400, 'invalid MAC address "92:d0": it is no six pairs of hexadecimal digits'],
  ["", { MacAddress: "92:d0-c6:0a:29:33" }, 400, 'invalid MAC address "92:d0-c6:0a:29:33": it is no six pairs of hexadecimal digits'],
  ["", { MacAddress: "93:d0:c6:0a:29:33" }, 400, `invalid MAC address "93:d0:c6:0a:29:33": it is a group's, and no interface can have it`],
  ["", { MacAddress: "00:00:00:00:00:00" }, 400, 'invalid MAC address "00:00:00:00:00:00": no interface can have it'],
  [
    "",
    { MacAddress: MAC, ...ofEndpoint("bridge", "92:d0:c6:0a:29:34") },
    400,
    `the container's MAC address "${MAC}" is another than that of its network, "92:d0:c6:0a:29:34"`,
  ],
])("network %j with %j is refused with %i", (mode, body, status, message) => {
  expect(() => read(mode, body)).toThrow(expect.objectContaining({ status, message }));
});

test.each([
  [{ Hostname: "own" }, {}, "hostname and the network mode"],
  [{}, { Dns: ["10.0.0.1"] }, "dns and the network mode"],
  [{}, { ExtraHosts: ["a:10.0.0.1"] }, "custom host-to-IP mapping and the network mode"],
])("another container's network with %j and %j is refused; the host's is not", (body, host, message) => {
  expect(() => read("container:near", body, { host })).toThrow(expect.objectContaining({ status: 400, message: `conflicting options: ${message}` }));
  expect(read("host", body, { host }).network).toBe("host");
});

test("what an older client repeats of an endpoint asks for nothing", () => {
  expect(read("bridge", ofEndpoint("bridge", MAC), { apiMinor: 43 })).toEqual({ network: "bridge", macAddress: "" });
});

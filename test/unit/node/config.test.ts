import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSettings, resolveConfig } from "../../../src/node/config.js";

describe("settings file", () => {
  let folder: string;
  const file = (text: string) => {
    const path = join(folder, "daemon.json");
    writeFileSync(path, text);
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "config-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is empty when it is not there, unless it was asked for", () => {
    expect(readSettings(join(folder, "none.json"), false)).toEqual({});
    expect(() => readSettings(join(folder, "none.json"), true)).toThrow(/none\.json/);
  });

  test("is read", () => expect(readSettings(file('{"data-root": "/d", "labels": ["a=b"]}'), true)).toEqual({ "data-root": "/d", labels: ["a=b"] }));

  test.each([
    ["{", /is not JSON/],
    ["[]", /is not a JSON object/],
    ['{"data-rot": "/d"}', /unknown key "data-rot"/],
    ['{"labels": "a=b"}', /"labels" in .* is not a list of strings/],
    ['{"data-root": 5}', /"data-root" in .* is not a string/],
    ['{"cpu-rt-runtime": "5"}', /"cpu-rt-runtime" in .* is not a number/],
    ['{"runtimes": []}', /"runtimes" in .* is not an object/],
    ['{"runtimes": {"crun": "/usr/bin/crun"}}', /"runtimes" in .* has no "path" for "crun"/],
    ['{"runtimes": {"crun": {"path": "/c", "runtimeArg": []}}}', /has an unknown key "runtimeArg" for "crun"/],
    ['{"runtimes": {"crun": {"path": "/c", "runtimeArgs": "--x"}}}', /has "runtimeArgs" for "crun" that are no list/],
  ])("refuses %s", (text, message) => expect(() => readSettings(file(text), true)).toThrow(message));
});

describe("configuration", () => {
  test.each([
    [{ hosts: [] }, "hosts is an empty list: nobody could talk to the daemon"],
    [{ "cgroup-parent": "../../tmp" }, 'cgroup-parent "../../tmp" must not have ".." in it'],
    [{ "cgroup-parent": "/a/../../b" }, 'cgroup-parent "/a/../../b" must not have ".." in it'],
    [{ "bridge-subnet": "127.0.0.0/8" }, 'bridge-subnet "127.0.0.0/8" has no addresses that hosts may have'],
    [{ "bridge-subnet": "0.0.0.0/8" }, 'bridge-subnet "0.0.0.0/8" has no addresses that hosts may have'],
    [{ "bridge-subnet": "224.1.0.0/16" }, 'bridge-subnet "224.1.0.0/16" has no addresses that hosts may have'],
    [{ "bridge-subnet": "240.0.0.0/8" }, 'bridge-subnet "240.0.0.0/8" has no addresses that hosts may have'],
  ])("what could not work is refused: %j", (settings, message) => expect(() => resolveConfig(settings, {})).toThrow(message));

  test("what is near it is taken", () => {
    const hosts = [`unix:///${"a".repeat(106)}`];
    const settings = { hosts, "cgroup-parent": "/a/..b/", "bridge-subnet": "223.0.0.0/16" };
    expect(resolveConfig(settings, {})).toMatchObject({ hosts, cgroupParent: "a/..b", bridgeSubnet: "223.0.0.0/16" });
  });

  test("flags win over the file, the file over defaults", () => {
    expect(resolveConfig({ "data-root": "/flag" }, { "data-root": "/file", "log-level": "debug" })).toMatchObject({
      dataRoot: "/flag",
      logLevel: "debug",
      execRoot: "/run/swarmd",
    });
  });

  test("paths of sockets that the kernel would cut off are refused", () => {
    const path = `/${"p".repeat(106)}`;
    expect(resolveConfig({ hosts: [`unix://${path}`] }, {}).hosts).toEqual([`unix://${path}`]);
    expect(() => resolveConfig({ hosts: [`unix://${path}é`] }, {})).toThrow(/^host "unix:.*é" is too long for a unix socket: 109 bytes, of at most 107$/);
    expect(() => resolveConfig({ "exec-root": path }, {})).toThrow(/^exec root \/p+ is too long for unix sockets below it$/);
  });

  test("runtimes of the file and of flags come together", () => {
    const file = { runtimes: { crun: { path: "/usr/bin/crun", runtimeArgs: ["--debug"] } }, "default-runtime": "runc" };
    expect(resolveConfig({ runtimes: { runc: { path: "runc" } } }, file).runtimes).toEqual({
      byName: { crun: { path: "/usr/bin/crun", args: ["--debug"] }, runc: { path: "runc", args: [] } },
      defaultName: "runc",
    });
  });

  test.each([
    [{}, null],
    [{ "cpu-rt-runtime": 0, "cpu-rt-period": 0 }, null],
    [{ "cpu-rt-runtime": 950_000 }, { runtimeUs: 950_000, periodUs: 1_000_000 }],
    [
      { "cpu-rt-runtime": 20_000, "cpu-rt-period": 100_000 },
      { runtimeUs: 20_000, periodUs: 100_000 },
    ],
    [{ "cpu-rt-period": 500_000 }, { runtimeUs: 0, periodUs: 500_000 }],
  ])("real-time of %j is %j", (settings, realtime) => expect(resolveConfig(settings, {}).realtime).toEqual(realtime));

  test.each([
    [{ "log-level": "loud" }, /"loud" is not one of/],
    [{ "data-root": "relative" }, /"relative" is not an absolute path/],
    [{ hosts: ["http://x"] }, /"http:\/\/x" is neither/],
    [{ hosts: ["tcp://0.0.0.0:2376"] }, /needs tlscacert/],
    [{ tlscacert: "/ca.pem" }, /belong together/],
    [{ labels: ["novalue"] }, /"novalue" is not key=value/],
    [{ "default-runtime": "crun" }, /default-runtime "crun" is not one of swarm-shim/],
    [{ runtimes: { "swarm-shim": { path: "/x" } } }, /of the daemon's own runtime/],
    [{ runtimes: { "a/b": { path: "/x" } } }, /"a\/b" is not a runtime's name/],
    [{ "cpu-rt-runtime": 1.5 }, /cpu-rt-runtime "1.5" is not a number of microseconds/],
    [{ "cpu-rt-period": -1 }, /cpu-rt-period "-1" is not a number of microseconds/],
    [{ "cpu-rt-runtime": Number.NaN }, /cpu-rt-runtime "NaN" is not/],
    [{ "cpu-rt-runtime": 600_000, "cpu-rt-period": 500_000 }, /cpu-rt-runtime 600000 is more than its period, 500000 microseconds/],
    [{ "cpu-rt-runtime": 1_000_001 }, /cpu-rt-runtime 1000001 is more than its period, 1000000 microseconds/],
    [{ runtimes: { a: { path: "x/y" } } }, /runtime a: "x\/y" is not an absolute path/],
  ])("refuses %j", (settings, message) => expect(() => resolveConfig(settings, {})).toThrow(message));
});

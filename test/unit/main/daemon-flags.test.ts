import { expect, test } from "vitest";
import { daemonProgram, settingsOf } from "../../../src/main/daemon-flags.js";
import { SETTINGS } from "../../../src/node/config.js";

const parsed = (...words: readonly string[]) =>
  settingsOf(
    daemonProgram()
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .parse(words, { from: "user" }),
  );

test("what is not given is left to the settings file", () => expect(parsed("--config-file", "/f")).toEqual({}));

test("every setting of the file has a flag", () => {
  const given: Readonly<Record<string, string>> = { "log-opt": "a=b", runtime: "crun=/crun", "cpu-rt-runtime": "1", "cpu-rt-period": "2" };
  const flags = daemonProgram().options.map((option) => option.name());
  const words = flags.filter((name) => !["version", "config-file"].includes(name)).flatMap((name) => [`--${name}`, given[name] ?? "x"]);
  expect(Object.keys(parsed(...words)).sort()).toEqual([...SETTINGS].sort());
});

test.each([
  [["-H", "unix:///a", "--host", "tcp://b"], { hosts: ["unix:///a", "tcp://b"] }],
  [["--log-opt", "max-size=1m", "--log-opt", "tag=a=b"], { "log-opts": { "max-size": "1m", tag: "a=b" } }],
  [["--runtime", "crun=/crun", "--runtime", "runc=/runc"], { runtimes: { crun: { path: "/crun" }, runc: { path: "/runc" } } }],
  [["--cpu-rt-runtime", "950000"], { "cpu-rt-runtime": 950_000 }],
  [["--data-root", "/d", "-l", "debug"], { "data-root": "/d", "log-level": "debug" }],
])("%s", (words, settings) => expect(parsed(...words)).toEqual(settings));

test.each([
  [["--log-opt", "size"], '--log-opt "size" is not key=value'],
  [["--runtime", "crun"], '"crun" is not NAME=PATH'],
  [["--cpu-rt-runtime", "x"], '"x" is not a number of microseconds'],
  [["--cpu-rt-runtime", ""], '"" is not a number of microseconds'],
  [["--cpu-rt-period", "1e400"], '"1e400" is not a number of microseconds'],
  [["extra"], "too many arguments"],
])("%s is refused", (words, text) => expect(() => parsed(...words)).toThrow(text));

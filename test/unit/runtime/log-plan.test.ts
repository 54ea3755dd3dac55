import { expect, test } from "vitest";
import { expandTag } from "../../../src/runtime/logs/log-attributes.js";
import { planLog, withDefaultLog } from "../../../src/runtime/logs/log-plan.js";
import { LOG_SOURCE } from "../../support/log-source.js";

const plan = (driver: string, options: Readonly<Record<string, string>> = {}) => planLog({ driver, options }, LOG_SOURCE);

test.each([
  ["json-file", {}, { format: "json-file", sizeBytesMax: 0, filesMax: 1, isCompressed: false, isReadable: true, forwarding: null }],
  ["json-file", { "max-size": "10m", "max-file": "3", compress: "true" }, { sizeBytesMax: 10_485_760, filesMax: 3, isCompressed: true }],
  ["json-file", { "max-size": "-1" }, { sizeBytesMax: 0 }],
  ["json-file", { "max-size": "1.5k" }, { sizeBytesMax: 1536 }],
  ["local", {}, { format: "local", sizeBytesMax: 20_971_520, filesMax: 5, isCompressed: true }],
  ["local", { "max-file": "1" }, { filesMax: 1, isCompressed: false }],
  ["none", { anything: "goes" }, { format: "none", isReadable: false }],
  ["journald", {}, { format: "local", forwarding: { target: { type: "journald" }, tag: "0123456789ab", backlogBytesMax: 0 } }],
  ["journald", { "cache-disabled": "true", "cache-max-size": "1m", "cache-max-file": "2" }, { isReadable: false, sizeBytesMax: 1_048_576, filesMax: 2 }],
  ["journald", { mode: "non-blocking" }, { forwarding: { backlogBytesMax: 1_048_576 } }],
  ["journald", { mode: "non-blocking", "max-buffer-size": "4m" }, { forwarding: { backlogBytesMax: 4_194_304 } }],
  ["syslog", {}, { forwarding: { target: { transport: { type: "unixgram", path: "/dev/log" }, facility: 3, format: "" } } }],
  [
    "syslog",
    { "syslog-address": "tcp://logs.example:6514", "syslog-facility": "local5", "syslog-format": "rfc5424micro" },
    { forwarding: { target: { transport: { type: "tcp", host: "logs.example", port: 6514 }, facility: 21, format: "rfc5424micro" } } },
  ],
  ["syslog", { "syslog-address": "udp://[::1]" }, { forwarding: { target: { transport: { type: "udp", host: "::1", port: 514 } } } }],
  ["syslog", { "syslog-address": "unix:///run/log.sock" }, { forwarding: { target: { transport: { type: "unix", path: "/run/log.sock" } } } }],
  [
    "syslog",
    { "syslog-address": "tcp+tls://h:1", "syslog-tls-ca-cert": "/ca", "syslog-tls-skip-verify": "" },
    { forwarding: { target: { transport: { type: "tls", ca: "/ca", isVerified: false } } } },
  ],
])("%s with %j", (driver, options, expected) => {
  expect(plan(driver, options as Readonly<Record<string, string>>)).toMatchObject(expected);
});

test.each([
  ["nosuch", {}, "logger: no log driver named 'nosuch' is registered"],
  ["json-file", { colour: "red" }, "unknown log opt 'colour' for json-file log driver"],
  ["local", { tag: "x" }, "unknown log opt 'tag' for local log driver"],
  ["json-file", { "max-size": "big" }, 'log opt max-size "big" is not a size such as 10m'],
  ["json-file", { "max-file": "0" }, "max-file cannot be less than 1"],
  ["json-file", { "max-file": "many" }, 'log opt max-file "many" is not a number'],
  ["json-file", { compress: "true" }, "compress cannot be true when max-file is less than 2 or max-size is not set"],
  ["json-file", { compress: "maybe" }, 'log opt compress "maybe" is neither true nor false'],
  ["json-file", { mode: "fast" }, "logger: logging mode not supported: fast"],
  ["json-file", { "max-buffer-size": "1m" }, "logger: max-buffer-size option is only supported with 'mode=non-blocking'"],
  ["json-file", { "labels-regex": "(" }, 'log opt labels-regex "(" is not a regular expression'],
  ["json-file", { tag: "{{.Colour}}" }, "log opt tag: {{.Colour}} is none of"],
  ["syslog", { "syslog-address": "logs.example" }, "syslog-address should be in form proto://address, got logs.example"],
  ["syslog", { "syslog-address": "http://logs.example" }, "unsupported scheme: 'http'"],
  ["syslog", { "syslog-address": "tcp://h:99999" }, 'syslog-address "tcp://h:99999" is not tcp://host[:port]'],
  ["syslog", { "syslog-address": "unix://relative" }, "names no absolute path"],
  ["syslog", { "syslog-facility": "loud" }, 'invalid syslog facility "loud"'],
  ["syslog", { "syslog-format": "json" }, 'Invalid syslog format "json"'],
  ["syslog", { "syslog-address": "tcp+tls://h", "syslog-tls-key": "/k" }, "syslog-tls-cert and syslog-tls-key belong together"],
])("%s with %j is refused", (driver, options, text) => {
  expect(() => plan(driver, options as Readonly<Record<string, string>>)).toThrow(text);
});

test("labels, variables and the tag that are asked for are told with each entry", () => {
  const options = { labels: "tier,missing", "labels-regex": "^com\\.example", env: "STAGE", tag: "{{.Name}}/{{.ID}}" };
  expect(plan("json-file", options).attributes).toEqual({ tier: "front", "com.example.team": "red", STAGE: "test", tag: "web.1/0123456789ab" });
});

test("a tag's placeholders", () => {
  expect(expandTag("a-{{ .FullID }}-{{.ImageName}}-{{.ImageID}}-{{.Command}}", LOG_SOURCE)).toBe(
    `a-${LOG_SOURCE.id}-shop/web:v1-${"d".repeat(12)}-serve --all`,
  );
});

test("the daemon's driver holds where none is named, and its options wherever it is used", () => {
  const defaults = { driver: "local", options: { "max-size": "1m", "max-file": "2" } };
  expect(withDefaultLog({ driver: "", options: { "max-file": "4" } }, defaults)).toEqual({ driver: "local", options: { "max-size": "1m", "max-file": "4" } });
  expect(withDefaultLog({ driver: "local", options: {} }, defaults)).toEqual(defaults);
  expect(withDefaultLog({ driver: "none", options: {} }, defaults)).toEqual({ driver: "none", options: {} });
});

import { expect, test } from "vitest";
import { formatJournal, journalKey } from "../../../src/runtime/logs/journald-format.js";
import { formatSyslog, type SyslogFormat } from "../../../src/runtime/logs/syslog-format.js";

const time = new Date(2026, 10, 7, 3, 4, 5);
const timestampNs = BigInt(time.getTime()) * 1_000_000n + 123_456_789n;
const message = { facility: 3, isError: false, timestampNs, hostname: "box", tag: "web", pid: 42, text: Buffer.from("hello [x]") };
const iso = time.toISOString().slice(0, 19);

test.each<[SyslogFormat, string]>([
  ["", "<30>Nov  7 03:04:05 web[42]: hello [x]"],
  ["rfc3164", "<30>Nov  7 03:04:05 box web[42]: hello [x]"],
  ["rfc5424", `<30>1 ${iso}Z box web 42 web - hello [x]`],
  ["rfc5424micro", `<30>1 ${iso}.123456Z box web 42 web - hello [x]`],
])('a message in the format "%s"', (format, expected) => {
  expect(formatSyslog(format, message).toString()).toBe(expected);
});

test("errors have their severity; what a header cannot hold is replaced", () => {
  const odd = { ...message, facility: 21, isError: true, tag: `a b\n${"x".repeat(60)}` };
  expect(formatSyslog("rfc5424", odd).toString()).toContain(`<171>1 ${iso}Z box a_b_${"x".repeat(44)} 42 `);
});

test("journald's fields: text as it is, anything with a newline by its length", () => {
  const entry = formatJournal({ MESSAGE: "one\ntwo", PRIORITY: "6" });
  expect(entry).toEqual(Buffer.concat([Buffer.from("MESSAGE\n"), Buffer.from([7, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("one\ntwo\nPRIORITY=6\n")]));
});

test.each([
  ["com.example.team", "COM_EXAMPLE_TEAM"],
  ["_hidden", "HIDDEN"],
  ["1st", "ST"],
  ["--", ""],
])("%s becomes %s", (name, key) => expect(journalKey(name)).toBe(key));

import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { chooseRows, hostProcessTable } from "../../../src/engine/host-process-table.js";
import { ownProcessTable } from "../../../src/engine/own-process-table.js";

test("rows are chosen by the column of ids, and the last column takes the rest of its line", () => {
  const output = "  PID USER     COMMAND\n    1 root     init\n   42 web      sh -c  echo hello\n\n  421 web      other\n";
  expect(chooseRows(output, new Set([42]))).toEqual({ titles: ["PID", "USER", "COMMAND"], rows: [["42", "web", "sh -c echo hello"]] });
  expect(() => chooseRows("USER COMMAND\nroot init\n", new Set([1]))).toThrow("Couldn't find PID field in ps output");
});

test.each([
  [["-o", "pid,foo=PID"], 'specifying "pid,foo=PID" is not allowed'],
  [["--nonsense"], /^ps: error: unknown gnu long option/],
  [["-o", "comm"], "Couldn't find PID field in ps output"],
])("arguments %j are refused", async (args, message) => {
  await expect(hostProcessTable(args, [process.pid])).rejects.toThrow(message);
});

test("the host's ps shows these processes alone, whatever its arguments", async () => {
  for (const args of [["aux"], ["-ef"], ["-o", "pid,args"], ["-eo", "user,pid,comm", "--sort=pid"]]) {
    const { titles, rows } = await hostProcessTable(args, [process.pid]);
    expect(rows.map((row) => row[titles.indexOf("PID")])).toEqual([`${process.pid}`]);
  }
  expect(await hostProcessTable(["aux"], [])).toEqual({ titles: [], rows: [] });
});

test("without ps a host says so", async () => {
  const { PATH } = process.env;
  process.env.PATH = "/nonexistent";
  try {
    await expect(hostProcessTable(["aux"], [process.pid])).rejects.toMatchObject({ code: "unimplemented", message: expect.stringContaining("install procps") });
  } finally {
    process.env.PATH = PATH;
  }
});

test("the table of our own has what ps -ef has, and leaves out who is gone", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const { titles, rows } = await ownProcessTable([child.pid ?? 0, 2 ** 30], Date.now());
  child.kill("SIGKILL");
  expect(titles).toEqual(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  const [user, pid, parent, share, start, , time, command] = rows[0] ?? [];
  expect([rows.length, pid, parent, time, command]).toEqual([1, `${child.pid}`, `${process.pid}`, "00:00:00", "sleep 1000"]);
  expect(user).toBe(process.getuid?.() === 0 ? "root" : user);
  expect(share).toMatch(/^\d+$/);
  expect(start).toMatch(/^\d\d:\d\d$/);
});

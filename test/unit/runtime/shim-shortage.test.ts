import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { systemCodeOf } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { parseOutcome } from "../../../src/runtime/shim/exit-record.js";
import { encode } from "../../../src/runtime/shim/launch-record.js";
import { Spawner } from "../../../src/runtime/shim/spawner.js";
import { ContainerWorld, SHIM_PATH } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";
import { until } from "../../support/until.js";

/** Processor time of a process, in hundredths of a second. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

/** Fills the file system of a folder to its last block. */
function fill(folder: string): void {
  const part = Buffer.alloc(4096);
  try {
    for (;;) writeFileSync(join(folder, "filling"), part, { flag: "a" });
  } catch (cause) {
    if (systemCodeOf(cause) !== "ENOSPC") throw cause;
  }
}

describeAsRoot("a shim that lacks something", () => {
  test("waits for descriptors without taking processor time, and lets in who came meanwhile", async () => {
    await using world = await ContainerWorld.open();
    const id = await world.startReady({ command: ["sh", "-c", "trap 'sleep 1; echo later' USR1; echo ready; while :; do sleep 0.1; done"] });
    const [pid = 0] = world.shims();
    const descriptors = () => readdirSync(`/proc/${pid}/fd`).map(Number);
    const most = descriptors().length + 3;
    const limit = (count: number) => execFileSync("prlimit", ["--pid", String(pid), `--nofile=${count}:`]);
    const [name = ""] = readdirSync(join(world.folder, "run/shims"));
    limit(most);
    let told = 0;
    const callers = Array.from({ length: 12 }, () => connect(join(world.folder, "run/shims", name)).once("data", () => told++));
    try {
      await until("descriptors are used up", () => descriptors().filter((number) => number < most).length === most);
      const before = ticksOf(pid);
      await world.runtime.kill(id, "USR1");
      await until("a second has gone by", async () => (await world.output(id)).includes("later"));
      expect(ticksOf(pid) - before).toBeLessThan(20);
      expect(told).toBeLessThan(callers.length);
      limit(1024);
      await until("all were let in", () => told === callers.length);
    } finally {
      for (const caller of callers) caller.destroy();
    }
  });

  test("is not made where there may be no more processes, and nothing of it is left", async () => {
    await using world = await ContainerWorld.open();
    const id = await world.startReady();
    const group = world.cgroups().find((path) => path.endsWith("/shims") && existsSync(join(path, "pids.max"))) ?? "";
    const sockets = () => readdirSync(join(world.folder, "run/shims"));
    const before = sockets();
    writeFileSync(join(group, "pids.max"), readFileSync(join(group, "pids.current")));
    const other = await world.create();
    await expect(world.runtime.start(other)).rejects.toThrow("fork a shim: resource temporarily unavailable");
    await expect(world.exec(id, "true")).rejects.toThrow("fork a shim: resource temporarily unavailable");
    expect(sockets()).toEqual(before);
    writeFileSync(join(group, "pids.max"), "max");
    await world.runtime.start(other);
  });

  test("keeps a whole record of why no program was started on a disk that is full, though the reason be longer than what was reserved", async () => {
    const folder = mkdtempSync(join(tmpdir(), "swarm-shim-"));
    const [data, socket] = [join(folder, "data"), join(folder, "socket")];
    mkdirSync(data);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=65536", "tmpfs", data]);
    const spawner = new Spawner({ shimPath: SHIM_PATH, cgroupArguments: [], logger: silentLogger });
    try {
      const missing = `/${"missing/".repeat(500)}`;
      const paths = ["root", "upper", "work"].map((name) => [name, join(folder, name)] as const);
      const request = [
        ["id", "full"],
        ["socket", socket],
        ["folder", data],
        ...paths,
        ["layer", `${missing}${missing}`],
        ["arg", "true"],
        ["attachers", 1],
      ] as const;
      await spawner.start("full", encode(request));
      // It waits for who announced himself.
      await until("it has reserved its record", () => existsSync(join(data, "exit.new")));
      fill(data);
      const caller = connect(socket);
      caller.write("attach o\n");
      await text(caller);
      const outcome = parseOutcome(readFileSync(join(data, "exit"), "utf8"));
      expect(outcome).toEqual({ type: "failed", reason: expect.stringMatching(/^open \/missing\/.*…$/) });
    } finally {
      await spawner.close();
      execFileSync("umount", [data]);
      rmSync(folder, { recursive: true });
    }
  });
});

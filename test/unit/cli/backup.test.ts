import { execFile, execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CommandLineWorld } from "../../support/command-line-world.js";

let world: CommandLineWorld;
let into: string;
/** In a process of its own, with this as its standard input. */
const program = (args: readonly string[], input: string) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    const command = ["dist/main/swarm.js", "-H", `unix://${join(world.folder, "s.sock")}`, ...args];
    const child = execFile("node", command, { timeout: 20_000 }, (cause, stdout, stderr) =>
      done({ code: cause === null ? 0 : Number(cause.code), stdout, stderr }),
    );
    child.stdin?.end(input);
  });
const backup = (path: string) => world.swarm("backup", "--passphrase-file", join(world.folder, "passphrase"), path);

beforeEach(async () => {
  world = await CommandLineWorld.open();
  into = join(world.folder, "into");
  mkdirSync(into);
  writeFileSync(join(world.folder, "passphrase"), "open sesame\n");
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test("the file is what the daemon sent", async () => {
  world.answer("POST /swarm/backup", "sealed");
  expect(await backup(join(into, "file"))).toBe(0);
  expect(world.seen.map(({ body }) => JSON.parse(body))).toEqual([{ Passphrase: "open sesame" }]);
  expect([readdirSync(into), readFileSync(join(into, "file"), "utf8")]).toEqual([["file"], "sealed"]);
});

test.each([
  ["its first line", "open barley\nmore", { code: 0, stderr: "" }],
  ["nothing", "", { code: 2, stderr: expect.stringMatching(/^swarm: a backup needs a passphrase: as the first line of standard input, or of the file/) }],
])("without a file for the passphrase, standard input has it: %s", async (_what, input, expected) => {
  world.answer("POST /swarm/backup", "sealed");
  expect(await program(["backup", join(into, "file")], input)).toMatchObject(expected);
  expect(world.seen.map(({ body }) => JSON.parse(body))).toEqual(expected.code === 0 ? [{ Passphrase: "open barley" }] : []);
  world.seen.length = 0;
  world.answer("POST /swarm/restore", '"node"');
  writeFileSync(join(into, "sealed"), "sealed");
  expect(await program(["restore", join(into, "sealed")], input)).toMatchObject(expected);
  expect(world.seen.map(({ body }) => body)).toEqual(
    expected.code === 0 ? ['{"Passphrase":"open barley","ListenAddr":"0.0.0.0:2377","AdvertiseAddr":""}\nsealed'] : [],
  );
});

test("a restore takes the key that only an external authority has from a file", async () => {
  world.answer("POST /swarm/restore", '"node"');
  for (const name of ["sealed", "key"]) writeFileSync(join(into, name), name);
  expect(await program(["restore", "--ca-key", join(into, "key"), join(into, "sealed")], "open barley\n")).toMatchObject({ code: 0 });
  expect(world.seen.at(-1)?.body).toBe('{"Passphrase":"open barley","ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"","SigningCAKey":"key"}\nsealed');
});

test("a dash is standard output, and standard input", async () => {
  const file = ["--passphrase-file", join(world.folder, "passphrase")];
  world.answer("POST /swarm/backup", "sealed");
  expect(await program(["backup", ...file, "-"], "")).toEqual({ code: 0, stdout: "sealed", stderr: "" });
  world.answer("POST /swarm/restore", '"node"');
  expect(await program(["restore", ...file, "-"], "sealed")).toMatchObject({ code: 0 });
  expect(world.seen.at(-1)?.body).toMatch(/\nsealed$/);
  expect(await program(["restore", "-"], "sealed")).toMatchObject({ code: 2, stderr: expect.stringContaining("needs --passphrase-file") });
});

test("a file that cannot be written is named before the daemon is asked for anything", async () => {
  expect(await backup(join(into, "nowhere/file"))).toBe(2);
  expect(world.err).toMatch(/^swarm: cannot write .*\/into\/nowhere\/file: ENOENT/);
  expect(world.seen).toEqual([]);
});

test("nothing is left of a backup that failed", async () => {
  world.answer("POST /swarm/backup", { message: "no leader" }, 503);
  expect(await backup(join(into, "file"))).toBe(1);
  world.answer("POST /swarm/backup", "sealed");
  mkdirSync(join(into, "folder"));
  expect(await backup(join(into, "folder"))).not.toBe(0);
  expect(readdirSync(into)).toEqual(["folder"]);
});

test.each([
  ["a folder", (path: string) => mkdirSync(path), /: it is a folder$/m],
  ["a pipe", (path: string) => void execFileSync("mkfifo", [path]), /: it is neither a file nor a new name$/m],
  ["a link that leads nowhere", (path: string) => symlinkSync("gone", path), /: it is a link to gone, which is not there$/m],
])("%s is no place for a file, and stays what it is", async (_what, make, reason) => {
  const path = join(into, "place");
  make(path);
  const { mode } = lstatSync(path);
  expect(await backup(path)).toBe(2);
  expect(world.err).toMatch(/^swarm: cannot write .*\/into\/place: /);
  expect(world.err).toMatch(reason);
  expect([readdirSync(into), lstatSync(path).mode, world.seen]).toEqual([["place"], mode, []]);
});

test("what a link leads to is replaced, and the link stays", async () => {
  world.answer("POST /swarm/backup", "sealed");
  writeFileSync(join(into, "file"), "before");
  symlinkSync("file", join(into, "link"));
  expect(await backup(join(into, "link"))).toBe(0);
  expect(readFileSync(join(into, "file"), "utf8")).toBe("sealed");
  expect(lstatSync(join(into, "link")).isSymbolicLink()).toBe(true);
});

test("a disk that is full in the middle of the last part is noticed", async () => {
  world.answer("POST /swarm/backup", "sealed".repeat(1_000));
  const path = join(into, "file");
  // A limit of the file's size cuts a write short as a full disk does.
  const swarm = ["node", "dist/main/swarm.js", "-H", `unix://${join(world.folder, "s.sock")}`];
  const command = [...swarm, "backup", "--passphrase-file", join(world.folder, "passphrase"), path];
  const ended = await new Promise<{ code: unknown; err: string }>((done) => {
    execFile("prlimit", ["--fsize=5000", ...command], (cause, _out, err) => done({ code: cause?.code, err }));
  });
  expect(ended).toEqual({ code: 1, err: expect.stringMatching(/^swarm: cannot write .*\/into\/file: EFBIG/) });
  expect(readdirSync(into)).toEqual([]);
});

test("a backup that cannot be read is named, and nobody waits for the rest of it", async () => {
  world.answer("POST /swarm/restore", "node");
  const restore = (path: string) => world.swarm("restore", "--passphrase-file", join(world.folder, "passphrase"), path);
  expect(await restore(join(into, "nothing"))).toBe(2);
  expect(await restore(into)).toBe(2);
  expect(world.err.split("\n")).toEqual([
    expect.stringMatching(/^swarm: cannot read .*\/into\/nothing: there is no such file$/),
    expect.stringMatching(/^swarm: cannot read .*\/into: it is a folder$/),
    "",
  ]);
  // What can be opened and not read: the memory of a process, at its begin.
  const socket = `unix://${join(world.folder, "s.sock")}`;
  const restored = ["dist/main/swarm.js", "-H", socket, "restore", "--passphrase-file", join(world.folder, "passphrase"), "/proc/self/mem"];
  const ended = await new Promise<{ code: unknown; err: string }>((done) => {
    execFile("node", restored, { timeout: 20_000 }, (cause, _out, err) => done({ code: cause?.code, err }));
  });
  expect(ended).toEqual({ code: 1, err: expect.stringMatching(/^swarm: cannot read what is to be sent: EIO/) });
});

test("a daemon that refuses a large backup unread has the last word", async () => {
  const path = join(into, "large");
  writeFileSync(path, "");
  truncateSync(path, 64 * 1024 * 1024);
  const socket = join(world.folder, "refusing.sock");
  const server = createServer((_request, reply) => reply.writeHead(503, { "content-type": "application/json" }).end('{"message":"part of a swarm"}'));
  await new Promise<void>((done) => server.listen(socket, done));
  const restored = ["dist/main/swarm.js", "-H", `unix://${socket}`, "restore", "--passphrase-file", join(world.folder, "passphrase"), path];
  const ended = await new Promise<{ code: unknown; err: string }>((done) => {
    execFile("node", restored, { timeout: 20_000 }, (cause, _out, err) => done({ code: cause?.code, err }));
  });
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  expect(ended).toEqual({ code: 1, err: "swarm: part of a swarm\n" });
});

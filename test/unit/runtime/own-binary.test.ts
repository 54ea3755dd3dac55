import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, openSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ContainerWorld, SHIM_PATH } from "../../support/container-world.js";

/** What the attacker runs with the entering program's binary open as descriptor 9. */
const ATTACK = `
dd if=/dev/zero of=/proc/self/fd/9 bs=1 count=1 conv=notrunc 2>/tmp/refused && echo overwritten
cat /tmp/refused
ls -lLi /proc/self/fd/9
ls -l /proc/self/fd/9 | grep -o 'memfd:.*'
`;

let world: ContainerWorld;
const digestOf = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
const before = digestOf(SHIM_PATH);

beforeAll(async () => {
  world = await ContainerWorld.open();
  const image = join(world.folder, "image");
  // A loader of the container's, and a library for whatever is run by it: the host's program must need neither.
  for (const path of execFileSync("ldd", [process.execPath], { encoding: "utf8" }).match(/\/\S+\/(ld-linux|libc\.so)\S*/g) ?? []) {
    mkdirSync(join(image, dirname(path)), { recursive: true });
    cpSync(path, join(image, path), { dereference: true });
  }
  cpSync(resolve(SHIM_PATH, "../preloaded.so"), join(image, "evil.so"));
  writeFileSync(join(image, "etc/ld.so.preload"), "/evil.so\n");
  writeFileSync(join(image, "attack.sh"), ATTACK);
  writeFileSync(join(image, "bin/innocent"), "#!/proc/self/exe\n", { mode: 0o755 });
});
afterAll(() => world[Symbol.asyncDispose]());

/** The program that entered ran in the container, and loaded nothing that the container has. */
function expectHarmless(output: string): void {
  expect(output).toContain("usage: swarm-shim");
  expect(output).not.toMatch(/overwritten|refused|memfd/);
  expect(digestOf(SHIM_PATH)).toBe(before);
}

test("what makes containers, and enters them, is a copy in memory that takes no write", async () => {
  await world.startReady();
  for (const pid of [world.runtime.spawnerPid, ...world.shims()]) {
    const program = `/proc/${pid}/exe`;
    expect(readlinkSync(program)).toBe("/memfd:swarm-shim (deleted)");
    expect(() => openSync(program, "r+")).toThrow(/EPERM|ETXTBSY/);
  }
});

test.each([["/proc/self/exe"], ["/bin/innocent"]])("a container whose program is %s gets no hold of the host's binary", async (program) => {
  const id = await world.start({ command: [program] });
  await world.runtime.wait(id);
  expectHarmless(await world.output(id));
});

test("a program that is run in a container gets none either", async () => {
  const id = await world.startReady();
  const streams = { stdin: false, stdout: true, stderr: true };
  const config = { args: ["/bin/innocent"], env: [], workingDir: "", user: "", isPrivileged: true, isTerminal: false, size: null, streams };
  const process = await world.runtime.exec(id, config);
  const chunks: Buffer[] = [];
  for await (const chunk of process.stream ?? []) chunks.push(chunk as Buffer);
  await process.ended;
  expectHarmless(Buffer.concat(chunks).toString());
});

test("a /dev/null that a volume replaced by a link to a setting of the kernel hides nothing and opens nothing", async () => {
  const volume = join(world.folder, "dev");
  mkdirSync(volume);
  execFileSync("ln", ["-s", "/proc/sys/kernel/core_pattern", join(volume, "null")]);
  const mount = { type: "bind", source: volume, target: "/dev", isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 } as const;
  const id = await world.create({ mounts: [mount], terminal: { isTerminal: false, hasInput: true, isInputOnce: false } });
  await expect(world.runtime.start(id)).rejects.toThrow("/dev/null of the container is not the null device");
});

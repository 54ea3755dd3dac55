import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
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
  // The container has all that the host's program needs to run there, and a library of its own beside.
  for (const path of execFileSync("ldd", [SHIM_PATH], { encoding: "utf8" }).match(/\/\S+\.so\S*/g) ?? []) {
    mkdirSync(join(image, dirname(path)), { recursive: true });
    cpSync(path, join(image, path), { dereference: true });
  }
  cpSync(resolve(SHIM_PATH, "../preloaded.so"), join(image, "evil.so"));
  writeFileSync(join(image, "etc/ld.so.preload"), "/evil.so\n");
  writeFileSync(join(image, "attack.sh"), ATTACK);
  writeFileSync(join(image, "bin/innocent"), "#!/proc/self/exe\n", { mode: 0o755 });
});
afterAll(() => world[Symbol.asyncDispose]());

/** The attack ran, with a file that is not the host's and that takes no write. */
function expectHarmless(output: string): void {
  const host = statSync(SHIM_PATH);
  expect(output).toMatch(/dd: .*(Operation not permitted|Text file busy)/);
  expect(output).not.toContain("overwritten");
  expect(output).toContain("memfd:swarm-shim (deleted)");
  expect(output).not.toMatch(new RegExp(`^ *${host.ino} `, "m"));
  expect(digestOf(SHIM_PATH)).toBe(before);
}

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

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import Docker from "dockerode";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar } from "../../../support/root-filesystem.js";
import { until } from "../../../support/until.js";

const docker = new Docker({ socketPath: "/run/swarmd.sock" });
const run = (command: string, ...words: string[]) => execFileSync(command, words, { encoding: "utf8" }).trim();
const answers = () =>
  docker.ping().then(
    () => true,
    () => false,
  );
const FOLDER = "/srv/shared";

/** The lines of mountinfo that are about a volume. */
const mountsOf = (name: string) =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`/volumes/${name}/`));

async function started(name: string, command: readonly string[]): Promise<Docker.Container> {
  const container = await docker.createContainer({ Image: "bb:v1", Cmd: [...command], HostConfig: { NetworkMode: "none", Binds: [`${name}:/d`] } });
  await container.start();
  return container;
}

async function ran(name: string, script: string): Promise<void> {
  const container = await started(name, ["sh", "-c", script]);
  expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  await container.remove();
}

/** Volumes on a server, which is the machine itself: NFS by the kernel's nfsd. */
describe("volumes on other hosts", () => {
  beforeAll(async () => {
    mkdirSync(FOLDER, { recursive: true });
    chmodSync(FOLDER, 0o777);
    writeFileSync("/etc/exports", `${FOLDER} 127.0.0.1(rw,no_root_squash,insecure,no_subtree_check,fsid=1)\n`);
    // As short as they may be: nobody comes back to a server that was never there.
    mkdirSync("/etc/nfs.conf.d", { recursive: true });
    writeFileSync("/etc/nfs.conf.d/machine.conf", "[nfsd]\ngrace-time=10\nlease-time=10\n");
    run("systemctl", "restart", "nfs-server");
    run("exportfs", "-ra");
    copyFileSync("/opt/swarmd/deploy/swarmd.service", "/etc/systemd/system/swarmd.service");
    run("systemctl", "daemon-reload");
    run("systemctl", "enable", "--now", "swarmd");
    await until("swarmd answers", answers, 120);
    await (await docker.importImage(Readable.from([busyboxTar()]), { repo: "bb", tag: "v1" })).resume();
    await until("the image is there", async () => (await docker.listImages()).length > 0, 60);
  });

  afterEach(async () => {
    for (const { Id } of await docker.listContainers({ all: true })) await docker.getContainer(Id).remove({ force: true });
  });

  afterAll(() => {
    run("systemctl", "disable", "--now", "swarmd");
    run("systemctl", "stop", "nfs-server");
  });

  test.each([
    ["nfs-four", { type: "nfs", device: `:${FOLDER}`, o: "addr=localhost,vers=4.2,rw" }, /nfs4/],
    ["nfs-three", { type: "nfs", device: `:${FOLDER}`, o: "addr=127.0.0.1,vers=3,nolock,proto=tcp,mountproto=tcp" }, /nfs /],
  ])("%s: files are on the server, for all containers, while one runs", async (name, DriverOpts, kind) => {
    await docker.createVolume({ Name: name, Driver: "local", DriverOpts });
    await ran(name, `echo from-a-container >/d/${name}`);
    expect(readFileSync(`${FOLDER}/${name}`, "utf8")).toBe("from-a-container\n");
    await until("nothing is mounted without a container", () => mountsOf(name).length === 0);
    const holder = await started(name, ["sleep", "1000"]);
    expect(mountsOf(name)).toHaveLength(1);
    expect(mountsOf(name)[0]).toMatch(kind);
    await ran(name, `grep -q from-a-container /d/${name} && echo more >>/d/${name}`);
    run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "swarmd");
    await until("another daemon answers", answers, 120);
    await holder.remove({ force: true });
    expect(mountsOf(name)).toEqual([]);
    await docker.getVolume(name).remove();
    expect(readFileSync(`${FOLDER}/${name}`, "utf8")).toBe("from-a-container\nmore\n");
  });

  test.each([
    ["nobody-there", { type: "nfs", device: `:${FOLDER}`, o: "addr=a..b" }, 'the server "a..b" cannot be found'],
    ["not-exported", { type: "nfs", device: ":/srv/other", o: "addr=127.0.0.1,vers=4.2" }, "no such file or directory"],
    // Nobody serves it here: the kernel is what says so.
    ["not-served", { type: "cifs", device: "//localhost/shared", o: "username=somebody,password=secret" }, "mount //127.0.0.1/shared at"],
  ])("%s: the start fails with the reason, and no password is told", async (name, DriverOpts, reason) => {
    await docker.createVolume({ Name: name, Driver: "local", DriverOpts });
    const failure = await started(name, ["true"]).then(String, String);
    expect(failure).toContain(`error while mounting volume '/var/lib/swarmd/volumes/${name}/_data'`);
    expect(failure).toContain(reason);
    expect(failure).not.toContain("secret");
    expect(JSON.stringify(await docker.getVolume(name).inspect())).not.toContain("secret");
    expect(existsSync(`/var/lib/swarmd/volumes/${name}/_data`)).toBe(true);
  });
});

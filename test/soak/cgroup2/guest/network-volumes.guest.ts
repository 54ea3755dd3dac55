import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { docker, expectRefused, expectShared, removeContainers, run, startSwarmd, stopSwarmd } from "./swarmd.js";

const FOLDER = "/srv/shared";

function startServer(): void {
  mkdirSync(FOLDER, { recursive: true });
  chmodSync(FOLDER, 0o777);
  writeFileSync("/etc/exports", `${FOLDER} 127.0.0.1(rw,no_root_squash,insecure,no_subtree_check,fsid=1)\n`);
  // As short as they may be: nobody comes back to a server that was never there.
  mkdirSync("/etc/nfs.conf.d", { recursive: true });
  writeFileSync("/etc/nfs.conf.d/machine.conf", "[nfsd]\ngrace-time=10\nlease-time=10\n");
  run("systemctl", "restart", "nfs-server");
  run("exportfs", "-ra");
}

/** Volumes on a server, which is the machine itself: NFS by the kernel's nfsd. */
describe("volumes on other hosts", () => {
  beforeAll(async () => {
    startServer();
    await startSwarmd();
  });

  afterEach(removeContainers);

  afterAll(() => {
    stopSwarmd();
    run("systemctl", "stop", "nfs-server");
  });

  test.each([
    ["nfs-four", { type: "nfs", device: `:${FOLDER}`, o: "addr=localhost,vers=4.2,rw" }, /nfs4/],
    ["nfs-three", { type: "nfs", device: `:${FOLDER}`, o: "addr=127.0.0.1,vers=3,nolock,proto=tcp,mountproto=tcp" }, /nfs /],
  ])("%s: files are on the server, for all containers, while one runs", async (name, DriverOpts, kind) => {
    await docker.createVolume({ Name: name, Driver: "local", DriverOpts });
    await expectShared(name, FOLDER, kind);
  });

  test.each([
    ["nobody-there", { type: "nfs", device: `:${FOLDER}`, o: "addr=a..b" }, 'the server "a..b" cannot be found'],
    ["not-exported", { type: "nfs", device: ":/srv/other", o: "addr=127.0.0.1,vers=4.2" }, "no such file or directory"],
    // Nobody serves it here: the kernel is what says so.
    ["not-served", { type: "cifs", device: "//localhost/shared", o: "username=somebody,password=secret" }, "mount //127.0.0.1/shared at"],
  ])("%s: the start fails with the reason, and no password is told", async (name, DriverOpts, reason) => {
    await docker.createVolume({ Name: name, Driver: "local", DriverOpts });
    await expectRefused(name, reason, "secret");
    expect(existsSync(`/var/lib/swarmd/volumes/${name}/_data`)).toBe(true);
  });
});

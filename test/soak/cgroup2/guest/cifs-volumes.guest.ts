import { execFileSync } from "node:child_process";
import { chownSync, chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { docker, expectRefused, expectShared, ranWith, removeContainers, run, startSwarmd, stopSwarmd } from "./swarmd.js";

const FOLDER = "/srv/smb";
/** Numbers of the user as whom the server does what it is asked for. */
const SERVER_USER = 4321;
const PASSWORD = "Zi-mt#stern7";
const SHARE = { type: "cifs", device: "//localhost/shared" };

function startServer(): void {
  run("useradd", "--no-create-home", `--uid=${SERVER_USER}`, "sharer");
  mkdirSync(`${FOLDER}/below`, { recursive: true });
  for (const folder of [FOLDER, `${FOLDER}/below`]) {
    chownSync(folder, SERVER_USER, SERVER_USER);
    chmodSync(folder, 0o700);
  }
  const global = "[global]\n\tserver role = standalone server\n\tdisable netbios = yes\n\tload printers = no\n";
  writeFileSync("/etc/samba/smb.conf", `${global}[shared]\n\tpath = ${FOLDER}\n\twriteable = yes\n\tvalid users = sharer\n`);
  execFileSync("smbpasswd", ["-a", "-s", "sharer"], { input: `${PASSWORD}\n${PASSWORD}\n` });
  run("systemctl", "restart", "smbd");
}

/** Volumes of Docker's kind `cifs`, on a server that is the machine itself: Samba's. */
describe("CIFS volumes", () => {
  beforeAll(async () => {
    startServer();
    await startSwarmd();
  });

  afterEach(removeContainers);

  afterAll(() => {
    stopSwarmd();
    run("systemctl", "stop", "smbd");
  });

  test("files are on the server, for all containers, while one runs", async () => {
    await docker.createVolume({ Name: "smb", Driver: "local", DriverOpts: { ...SHARE, o: `username=sharer,password=${PASSWORD},vers=3.1.1` } });
    await expectShared("smb", FOLDER, /cifs \/\/127\.0\.0\.1\/shared/);
    expect(statSync(`${FOLDER}/smb`).uid).toBe(SERVER_USER);
  });

  test("a folder of the share, with files that belong to the user who was asked for", async () => {
    const o = `addr=localhost,username=sharer,password=${PASSWORD},uid=1000,gid=1000,file_mode=0640,nosuid`;
    await docker.createVolume({ Name: "part", Driver: "local", DriverOpts: { type: "cifs", device: "//server.example/shared/below", o } });
    await ranWith("part", 'echo x >/d/file && [ "$(stat -c %u:%g:%a /d/file)" = 1000:1000:640 ]');
    expect(readFileSync(`${FOLDER}/below/file`, "utf8")).toBe("x\n");
  });

  test.each([
    [
      "wrong-password",
      SHARE,
      "username=sharer,password=Zi-mt",
      "Zi-mt",
      "mount //127.0.0.1/shared at /var/lib/swarmd/volumes/wrong-password/_data: permission denied",
    ],
    ["wrong-user", SHARE, `username=nobody,password=${PASSWORD}`, PASSWORD, "/wrong-user/_data: permission denied"],
    ["no-such-share", { ...SHARE, device: "//localhost/other" }, `username=sharer,password=${PASSWORD}`, PASSWORD, "mount //127.0.0.1/other at"],
    ["no-cifs-server", { ...SHARE, device: "//a..b/shared" }, `username=sharer,password=${PASSWORD}`, PASSWORD, 'the server "a..b" cannot be found'],
  ])("%s: the start fails with the reason, and no password is told", async (name, share, o, secret, reason) => {
    await docker.createVolume({ Name: name, Driver: "local", DriverOpts: { ...share, o } });
    await expectRefused(name, reason, secret);
  });
});

import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import Docker from "dockerode";
import { expect } from "vitest";
import { busyboxTar } from "../../../support/root-filesystem.js";
import { until } from "../../../support/until.js";

export const docker = new Docker({ socketPath: "/run/swarmd.sock" });

/** What the program said; throws when it fails. */
export const run = (command: string, ...words: readonly string[]) => execFileSync(command, words, { encoding: "utf8" }).trim();

export const answers = () =>
  docker.ping().then(
    () => true,
    () => false,
  );

/** As its systemd unit starts it; with the image `bb:v1` when this resolves. */
export async function startSwarmd(): Promise<void> {
  copyFileSync("/opt/swarmd/deploy/swarmd.service", "/etc/systemd/system/swarmd.service");
  run("systemctl", "daemon-reload");
  run("systemctl", "enable", "--now", "swarmd");
  await until("swarmd answers", answers, 300);
  await (await docker.importImage(Readable.from([busyboxTar()]), { repo: "bb", tag: "v1" })).resume();
  await until("the image is there", async () => (await docker.listImages()).length > 0, 60);
}

async function killSwarmd(): Promise<void> {
  run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "swarmd");
  await until("another daemon answers", answers, 120);
}

export function stopSwarmd(): void {
  run("systemctl", "disable", "--now", "swarmd");
}

export async function removeContainers(): Promise<void> {
  for (const { Id } of await docker.listContainers({ all: true })) await docker.getContainer(Id).remove({ force: true });
}

/** The lines of mountinfo that are about a volume. */
const mountsOf = (volume: string) =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`/volumes/${volume}/`));

/** A container that has the volume at /d. */
async function startedWith(volume: string, command: readonly string[]): Promise<Docker.Container> {
  const container = await docker.createContainer({ Image: "bb:v1", Cmd: [...command], HostConfig: { NetworkMode: "none", Binds: [`${volume}:/d`] } });
  await container.start();
  return container;
}

/** Runs the script in a container that has the volume at /d, to its good end. */
export async function ranWith(volume: string, script: string): Promise<void> {
  const container = await startedWith(volume, ["sh", "-c", script]);
  expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  await container.remove();
}

/** What all volumes of one server have to do: shows that its files are the server's, which has them in `folder`. */
export async function expectShared(volume: string, folder: string, kind: RegExp): Promise<void> {
  await ranWith(volume, `echo from-a-container >/d/${volume}`);
  expect(readFileSync(`${folder}/${volume}`, "utf8")).toBe("from-a-container\n");
  await until("nothing is mounted without a container", () => mountsOf(volume).length === 0);
  const holder = await startedWith(volume, ["sleep", "1000"]);
  expect(mountsOf(volume)).toHaveLength(1);
  expect(mountsOf(volume)[0]).toMatch(kind);
  await ranWith(volume, `grep -q from-a-container /d/${volume} && echo more >>/d/${volume}`);
  await killSwarmd();
  await holder.remove({ force: true });
  expect(mountsOf(volume)).toEqual([]);
  await docker.getVolume(volume).remove();
  expect(readFileSync(`${folder}/${volume}`, "utf8")).toBe("from-a-container\nmore\n");
}

/** Shows that a container cannot be started with the volume, and why is told, to nobody with the secret. */
export async function expectRefused(volume: string, reason: string, secret: string): Promise<void> {
  const failure = await startedWith(volume, ["true"]).then(String, String);
  expect(failure).toContain(`error while mounting volume '/var/lib/swarmd/volumes/${volume}/_data'`);
  expect(failure).toContain(reason);
  const told = [failure, JSON.stringify(await docker.getVolume(volume).inspect()), run("journalctl", "--unit=swarmd", "--no-pager")];
  for (const text of told) expect(text).not.toContain(secret);
  expect(mountsOf(volume)).toEqual([]);
}

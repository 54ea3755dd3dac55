import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, type Outcome, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { archiveOf } from "../unit/images/archives.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { until } from "../support/until.js";

/** Small enough to be filled in a moment: holds everything that the lab keeps. */
const DISK_BYTES = 160e6;

const client = dockerClients()[0] ?? "docker";

/** Containers and images that mean harm, by the stock command line on a host without a swarm. Registries that do are in test/unit/images/registry.test.ts. */
describe("hostile containers", () => {
  const folder = mkdtempSync(join(tmpdir(), "lab-hostile-"));
  let lab: TestLab;
  let docker: LabDocker;
  let neighbour: string;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const attempt = (...args: readonly string[]) => docker.try(1, ...args);
  const withInput = (input: Buffer, ...args: readonly string[]): Promise<Outcome> =>
    lab.run([client, "-H", `unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock`, ...args], { input });
  const inside = async (script: string) => (await lab.run(["bash", "-c", script])).stdout.trim();
  const data = () => `/var/lib/swarm-lab/${lab.name}/1/data`;
  const stateOf = (name: string) => must("inspect", name, "--format", "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}");

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab, client);
    await lab.run(["mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", "/var/lib/swarm-lab"]);
    await lab.lab("up", "--bare", "--managers", "1", "--workers", "0");
    await docker.importBusybox([1]);
    neighbour = await must("run", "-d", "--name", "neighbour", "bb:v1");
  });

  afterEach(async () => {
    // Whatever was done, others go on, and the daemon answers.
    expect(await must("exec", "neighbour", "echo", "fine")).toBe("fine");
    await until("nobody else is left", async () => (await must("ps", "-a", "-q", "--no-trunc")) === neighbour);
    await until("nothing of anybody else is left", async () => (await inside(`ls ${data()}/containers`)) === neighbour);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a fork bomb has as many processes as its limit, and goes with one command", async () => {
    const bomb = "for try in 1 2 3; do (while :; do sleep 1000 & done); done; read forever";
    await must("run", "-d", "-i", "--name", "bomb", "--pids-limit", "64", "bb:v1", "sh", "-c", bomb);
    const count = async () => Number(await must("stats", "--no-stream", "--format", "{{.PIDs}}", "bomb"));
    await until("no more are allowed", async () => (await count()) > 60, 30);
    expect(await count()).toBeLessThanOrEqual(64);
    expect(await stateOf("bomb")).toBe("running 0 false");
    await must("rm", "-f", "bomb");
  });

  test("a memory hog is killed, and it is told that memory was the reason", async () => {
    const outcome = await attempt("run", "--name", "hog", "--memory", "32m", "bb:v1", "sh", "-c", "x=aaaaaaaa; while :; do x=$x$x; done");
    expect(outcome.code).toBe(137);
    expect(await stateOf("hog")).toBe("exited 137 true");
    await must("rm", "hog");
  });

  test("one that ignores SIGTERM is killed after its grace", async () => {
    await must("run", "-d", "--name", "deaf", "bb:v1", "sh", "-c", "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.1; done");
    await until("it is deaf", async () => (await must("logs", "deaf")) === "deaf");
    await must("stop", "-t", "1", "deaf");
    expect(await stateOf("deaf")).toBe("exited 137 false");
    await must("rm", "deaf");
  });

  test("a flood of output is cut to what was allowed, and costs the daemon nothing, even with a reader who does not read", async () => {
    const daemon = await lab.lab("pid", "1");
    const residentKb = async () => Number(/VmRSS:\s+(\d+)/.exec(await inside(`cat /proc/${daemon}/status`))?.[1]);
    const before = await residentKb();
    const limits = ["--log-opt", "max-size=1m", "--log-opt", "max-file=3"];
    await must("run", "-d", "--name", "flood", ...limits, "bb:v1", "sh", "-c", "yes all and everything | head -c 190000000; echo the end");
    const reader = get({ socketPath: lab.socket(1), path: "/containers/flood/logs?follow=1&stdout=1" }, (response) => response.pause());
    reader.on("error", () => undefined);
    expect(await must("wait", "flood")).toBe("0");
    expect((await residentKb()) - before).toBeLessThan(100_000);
    expect(await must("logs", "--tail", "1", "flood")).toBe("the end");
    expect(Number(await inside(`cat ${await must("inspect", "flood", "--format", "{{.LogPath}}")}* | wc -c`))).toBeLessThan(3.2e6);
    reader.destroy();
    await must("rm", "flood");
  });

  test("one that fills the disk of the host disturbs nobody else; what cannot be made says so, and leaves nothing", async () => {
    const filled = await attempt("run", "--name", "filler", "bb:v1", "dd", "if=/dev/zero", "of=/fill", "bs=1M");
    expect(filled.code).toBe(1);
    expect(filled.stderr).toContain("No space left on device");
    await attempt("run", "--name", "more", "bb:v1", "dd", "if=/dev/zero", "of=/fill", "bs=1");
    expect(await must("exec", "neighbour", "echo", "fine")).toBe("fine");
    const refused = await attempt("run", "--name", "refused", "bb:v1", "true");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/no space left on device/i);
    const notLoaded = await withInput(await archiveOf([{ name: "big", content: "x".repeat(1_000_000) }]), "import", "-", "big:v1");
    expect(notLoaded.code).not.toBe(0);
    expect(notLoaded.stderr).toMatch(/no space left on device/i);
    await attempt("rm", "-f", "more", "refused");
    await must("rm", "filler");
    expect((await attempt("run", "--rm", "bb:v1", "echo", "again")).stdout).toBe("again\n");
    await until("it is gone", async () => (await must("ps", "-aq", "--no-trunc")) === neighbour);
  });

  test("one that removes and covers its own /proc, /sys and /dev can still be looked into and stopped", async () => {
    await must("run", "-d", "--name", "vandal", "bb:v1", "sh", "-c", "rm -rf /dev/* /sys/* /proc/* 2>/dev/null; rm -f /bin/true; echo done; sleep 1000");
    const bare = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];
    const cover =
      "for d in /dev /sys /proc; do mount -t tmpfs none $d; done; mkdir -p /proc/self/fd /proc/1/ns; ln -s /etc/passwd /proc/self/exe; echo done; sleep 1000";
    await must("run", "-d", "--name", "cover", ...bare, "bb:v1", "sh", "-c", cover);
    for (const name of ["vandal", "cover"]) {
      await until(`${name} is done`, async () => (await must("logs", name)).endsWith("done"), 30);
      expect(await must("exec", name, "echo", "inside")).toBe("inside");
      expect(await must("top", name)).toContain("sleep 1000");
      expect(await must("stats", "--no-stream", "--format", "{{.Name}}", name)).toBe(name);
      await must("stop", "-t", "0", name);
      expect(await stateOf(name)).toBe("exited 137 false");
      await must("rm", name);
    }
  });

  test("links in an image where something will be mounted lead nowhere outside", async () => {
    const outside = join(folder, "outside");
    await inside(`mkdir -p ${outside} ${folder}/source; echo host >${outside}/file; echo source >${folder}/source/file`);
    const root = join(folder, "root");
    const targets = ["proc", "sys", "dev", "etc/resolv.conf", "etc/hosts", "etc/hostname", "volume", "tmpfs"];
    for (const [index, target] of [outside, `${"../".repeat(12)}${outside}`, "/proc/1/root", "/proc/self/fd/3"].entries()) {
      const link = `rm -rf ${root}; mkdir ${root}; cd ${root}; tar -xf -; rm -rf ${targets.join(" ")}; for t in ${targets.join(" ")}; do ln -s ${target} $t; done`;
      expect(await lab.run(["bash", "-c", `${link}; tar -cf ${folder}/links.tar .`], { input: busyboxTar() })).toMatchObject({ code: 0, stderr: "" });
      await must("import", "-c", 'CMD ["sh"]', `${folder}/links.tar`, `links:v${index}`);
      const mounts = ["-v", `${folder}/source:/volume`, "--tmpfs", "/tmpfs", "--mount", `type=bind,source=${folder}/source/file,target=/etc/hosts`];
      const outcome = await attempt("run", "--rm", ...mounts, `links:v${index}`, "sh", "-c", "touch /volume/x /tmpfs/x /dev/x /etc/hosts; echo ran");
      expect(outcome.code === 0 ? outcome.stdout : outcome.stderr).toMatch(/^ran\n$|unable to start container process: /);
      await must("rmi", `links:v${index}`);
    }
    expect(await inside(`ls ${outside}; cat ${outside}/file`)).toBe("file\nhost");
  });

  test.each([
    ["a configuration that is no JSON", "this is no JSON", undefined, /the image configuration|JSON/],
    ["a configuration of another kind", "[1]", undefined, /the image configuration is not a JSON object/],
    ["a layer with another digest", undefined, `sha256:${"1".repeat(64)}`, /sha256:1{64}/],
  ])("an archive with %s is refused as a whole", async (_, config, diffId, message) => {
    const layer = await archiveOf([{ name: "file", content: "x" }]);
    const digest = diffId ?? `sha256:${createHash("sha256").update(layer).digest("hex")}`;
    const document = config ?? JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [digest] } });
    const manifest = JSON.stringify([{ Config: "config.json", RepoTags: ["bad:v1"], Layers: ["layer.tar"] }]);
    const archive = await archiveOf([
      { name: "config.json", content: document },
      { name: "layer.tar", content: layer },
      { name: "manifest.json", content: manifest },
    ]);
    const before = await inside(`cd ${data()}/images && find . -type f | sort`);
    const outcome = await withInput(archive, "load");
    expect(outcome.stdout + outcome.stderr).toMatch(message);
    expect(await must("images", "-q", "bad")).toBe("");
    expect(await inside(`cd ${data()}/images && find . -type f | sort`)).toBe(before);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

const REGISTRY = "10.88.0.1:5000";

/** Images from a real registry on node 1 to the tasks of a manager and a worker, by the stock command line and by our own. */
describe("images and a registry", () => {
  const folder = mkdtempSync(join(tmpdir(), "lab-images-"));
  let lab: TestLab;
  let docker: LabDocker;
  const swarm = async (node: number, ...args: readonly string[]) => {
    const outcome = await lab.run(["node", "dist/main/swarm.js", "--host", await lab.lab("socket", String(node)), ...args]);
    if (outcome.code !== 0) throw new Error(`swarm ${args.join(" ")} exited with ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout.trim();
  };
  const images = async (node: number) => (await docker.must(node, "images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n");

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    writeFileSync(join(folder, "daemon.json"), JSON.stringify({ "insecure-registries": ["10.88.0.0/16"] }));
    process.env.SWARM_LAB_CONFIG = join(folder, "daemon.json");
    await lab.lab("up", "--managers", "1", "--workers", "1");
    writeFileSync(join(folder, "registry.yml"), `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/registry\nhttp:\n  addr: ${REGISTRY}\n`);
    // Ends with the lab, which takes every process along.
    lab.run(["deploy/lab", "--name", lab.name, "exec", "1", ".tools/registry/docker-registry", "serve", join(folder, "registry.yml")]).catch(() => undefined);
    await until(
      "the registry answers",
      async () => (await lab.run(["deploy/lab", "--name", lab.name, "exec", "1", "curl", "-sf", `http://${REGISTRY}/v2/`])).code === 0,
      30,
    );
    await docker.importBusybox([1]);
  });

  afterAll(async () => {
    delete process.env.SWARM_LAB_CONFIG;
    await lab?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test("an image that one node pushes runs on another that pulls it, by the digest that the service was given", async () => {
    await docker.must(1, "tag", "bb:v1", `${REGISTRY}/team/bb:v1`);
    const pushed = await docker.must(1, "push", `${REGISTRY}/team/bb:v1`);
    const digest = /v1: digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed)?.[1] ?? "";
    expect(pushed).toContain(`The push refers to repository [${REGISTRY}/team/bb]`);
    await docker.must(1, "service", "create", "--quiet", "--name", "far", "--mode", "global", `${REGISTRY}/team/bb:v1`, "sleep", "100000");
    expect(await docker.must(1, "service", "inspect", "far", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}")).toBe(
      `${REGISTRY}/team/bb:v1@${digest}`,
    );
    expect((await docker.running(1, "far", 2)).map((task) => task.node).sort()).toEqual(["node-1", "node-2"]);
    expect(await docker.must(2, "images", "--digests", "--no-trunc", "--format", "{{.Repository}}@{{.Digest}}")).toContain(`${REGISTRY}/team/bb@${digest}`);
    const refused = await docker.try(2, "rmi", `${REGISTRY}/team/bb@${digest}`);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/conflict: unable to remove repository reference/)]);
    await docker.must(1, "service", "rm", "far");
    await until("the containers are gone", async () => (await docker.must(2, "ps", "--all", "--quiet")) === "");
    expect(await docker.must(2, "rmi", `${REGISTRY}/team/bb@${digest}`)).toMatch(/Untagged: .*\nDeleted: sha256:.*\nDeleted: sha256:/);
  });

  test("docker pull, history, save, load and prune; a name that the registry does not have", async () => {
    const first = await docker.must(2, "pull", `${REGISTRY}/team/bb:v1`);
    expect(first).toMatch(/: Pull complete\n/);
    expect(first).toContain(`Status: Downloaded newer image for ${REGISTRY}/team/bb:v1`);
    expect(await docker.must(2, "pull", `${REGISTRY}/team/bb:v1`)).toContain("Status: Image is up to date");
    expect(await docker.must(2, "history", `${REGISTRY}/team/bb:v1`, "--format", "{{.Comment}}")).toBe("Imported from -");
    await docker.must(2, "save", "--output", join(folder, "bb.tar"), `${REGISTRY}/team/bb:v1`);
    await docker.must(2, "image", "prune", "--all", "--force");
    expect(await images(2)).toEqual([""]);
    expect(await docker.must(2, "load", "--input", join(folder, "bb.tar"))).toContain(`Loaded image: ${REGISTRY}/team/bb:v1`);
    const missing = await docker.try(2, "pull", `${REGISTRY}/team/bb:v9`);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/manifest for .*\/team\/bb:v9 not found: manifest unknown/)]);
  });

  test("a task whose image cannot be had says why", async () => {
    const flags = ["--detach", "--no-resolve-image", "--restart-condition", "none"];
    await docker.must(1, "service", "create", ...flags, "--name", "lacking", `${REGISTRY}/team/absent:v1`);
    const [task] = await until(
      "the task is rejected",
      async () => {
        const tasks = await docker.tasks(1, "lacking");
        return tasks[0]?.state === "Rejected" ? tasks : undefined;
      },
      30,
    );
    expect(task?.error).toMatch(/No such image: .*absent:v1 \(manifest for .*absent:v1 not found/);
    await docker.must(1, "service", "rm", "lacking");
  });

  test("swarm image pull, push, save, load, history and prune", async () => {
    await docker.must(2, "image", "prune", "--all", "--force");
    const pulled = await swarm(2, "image", "pull", `${REGISTRY}/team/bb:v1`);
    expect(pulled).toMatch(/^Digest: sha256:[0-9a-f]{64}\nStatus: Downloaded newer image for (.*bb:v1)\n\1$/m);
    expect(await swarm(2, "pull", "-q", `${REGISTRY}/team/bb:v1`)).toBe(`${REGISTRY}/team/bb:v1`);
    await swarm(2, "image", "tag", `${REGISTRY}/team/bb:v1`, `${REGISTRY}/team/copy:v2`);
    expect(await swarm(2, "image", "push", `${REGISTRY}/team/copy:v2`)).toMatch(/v2: digest: sha256:/);
    await swarm(2, "image", "save", "-o", join(folder, "copy.tar"), `${REGISTRY}/team/copy:v2`);
    expect(await swarm(2, "image", "prune", "--all", "--force")).toMatch(/deleted: sha256:[\s\S]*Total reclaimed space: [\d.]+\wB$/);
    expect(await swarm(2, "image", "load", "-i", join(folder, "copy.tar"))).toBe(`Loaded image: ${REGISTRY}/team/copy:v2`);
    expect(await swarm(2, "image", "history", `${REGISTRY}/team/copy:v2`)).toMatch(
      /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n[0-9a-f]{12} .*Imported from -$/,
    );
    const missing = await lab.run(["node", "dist/main/swarm.js", "--host", await lab.lab("socket", "2"), "image", "pull", `${REGISTRY}/team/none`]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/^swarm: manifest for .*\/team\/none:latest not found/)]);
  });

  test("a daemon that is killed while it pulls has no half image, and pulls again what it lacks", async () => {
    const big = join(folder, "big.tar");
    await lab.run(["bash", "-c", `mkdir ${folder}/big && head -c 60000000 /dev/urandom >${folder}/big/file && tar -C ${folder}/big -cf ${big} .`]);
    await docker.must(1, "import", big, `${REGISTRY}/team/big:v1`);
    await docker.must(1, "push", `${REGISTRY}/team/big:v1`);
    const downloads = `/var/lib/swarm-lab/${lab.name}/2/data/images/downloads`;
    let isOver = false;
    const pulling = docker.try(2, "pull", `${REGISTRY}/team/big:v1`).finally(() => {
      isOver = true;
    });
    await until("something has come", async () => isOver || Number((await lab.run(["bash", "-c", `cat ${downloads}/* | wc -c`])).stdout) > 100_000);
    await lab.lab("kill", "2");
    await pulling;
    await lab.lab("start", "2");
    const left = await images(2);
    await docker.must(2, "pull", `${REGISTRY}/team/big:v1`);
    expect(await images(2)).toContain(`${REGISTRY}/team/big:v1`);
    // Whether the kill came in the middle or after the end: an image is there as a whole or not at all.
    if (left.includes(`${REGISTRY}/team/big:v1`)) return;
    const sizes = await lab.run(["bash", "-c", `ls ${downloads} | wc -l; ls /var/lib/swarm-lab/${lab.name}/2/data/images/tmp | wc -l`]);
    expect(sizes.stdout.split("\n").slice(0, 2)).toEqual(["0", "0"]);
  });
});

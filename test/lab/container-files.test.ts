import { request } from "node:http";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { entriesOf } from "../support/archive-entries.js";
import { type ArchiveItem, archiveOf } from "../unit/images/archives.js";

const client = dockerClients()[0] ?? "docker";

/** What people do with the files of containers and with what is left over, on a host that is in no swarm: by the stock command line and an SDK. */
describe("files, images of containers, and what they take", () => {
  let lab: TestLab;
  let docker: LabDocker;
  let sdk: Docker;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const shell = (script: string) =>
    lab.run([
      "bash",
      "-c",
      `set -e; cd /var/lib; export DOCKER_HOST=unix:///var/lib/swarm-lab/${lab.name}/1/swarmd.sock; docker() { ${client} "$@"; }; ${script}`,
    ]);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab, client);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await must("swarm", "leave", "--force");
    await docker.importBusybox([1]);
    sdk = new Docker({ socketPath: lab.socket(1), version: "v1.47" });
  });
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("cp: files, folders, links and streams, both ways, of one that runs and one that does not", async () => {
    await must("run", "-d", "--name", "runs", "-v", "/var/lib/shared:/shared", "bb:v1");
    await must("create", "--name", "waits", "-v", "/var/lib/shared:/shared", "bb:v1");
    for (const name of ["runs", "waits"]) {
      const { stdout, stderr, code } = await shell(`
        rm -rf in out; mkdir -p in/sub; echo one >in/a; echo two >in/sub/b; ln -s a in/link; chmod 640 in/a
        docker cp in/a ${name}:/tmp; docker cp in/a ${name}:/tmp/renamed; docker cp in ${name}:/tmp/copied; docker cp in/. ${name}:/tmp; docker cp in ${name}:/root
        docker cp in/a ${name}:/shared/from-${name}; cat shared/from-${name}
        docker cp ${name}:/tmp out; cat out/a out/renamed out/copied/sub/b out/sub/b; readlink out/link; stat -c %a out/a
        docker cp ${name}:/root/in/. out/dots; ls out/dots | tr '\\n' ' '
        docker cp -L ${name}:/tmp/link out/followed; cat out/followed
        docker cp ${name}:/tmp/sub/b - | tar -xO
        tar -C in -c sub | docker cp - ${name}:/etc; docker cp ${name}:/etc/sub/b out/streamed; cat out/streamed
        docker cp ${name}:/none out 2>&1 || true
        docker cp in ${name}:/etc/passwd 2>&1 || true`);
      expect(stderr).toBe("");
      expect(stdout.split("\n").filter((line) => line !== "")).toEqual([
        ...["one", "one", "one", "two", "two", "a", "640", "a link sub one", "two", "two"],
        expect.stringMatching(/Could not find the file \/none|No such container:path: \w+:\/none/),
        expect.stringContaining("cannot copy directory"),
      ]);
      expect(code).toBe(0);
    }
    await must("rm", "-f", "runs", "waits");
  });

  test("diff, export and import again, commit and run the result", async () => {
    await must(
      "run",
      "-d",
      "--name",
      "worked",
      "-e",
      "A=b",
      "-w",
      "/made",
      "bb:v1",
      "sh",
      "-c",
      "mkdir /made; echo text >/made/x; rm /etc/group; echo done; exec sleep 1000",
    );
    await shell(`until docker logs worked | grep done; do sleep 0.1; done`);
    expect((await must("diff", "worked")).split("\n")).toEqual(["C /etc", "D /etc/group", "A /made", "A /made/x"]);
    await shell(`docker export worked | docker import --change 'CMD ["cat", "/made/x"]' - again:v1`);
    expect(await must("run", "--rm", "again:v1")).toBe("text");
    const id = await must(
      "commit",
      "--author",
      "me",
      "--message",
      "worked well",
      "--change",
      'CMD ["sh", "-c", "cat /made/x; echo $A; pwd; ls /etc/group"]',
      "worked",
      "worked:v2",
    );
    const format = "{{.Id}} {{.Author}} {{.Comment}} {{len .RootFS.Layers}}";
    expect(await must("inspect", "worked:v2", "--format", format)).toBe(`${id} me worked well 2`);
    expect((await docker.try(1, "run", "--rm", "worked:v2")).stdout).toBe("text\nb\n/made\n");
    expect(await must("history", "worked:v2", "--format", "{{.Comment}}")).toContain("worked well");
    expect((await shell("docker save worked:v2 | docker load")).stdout).toContain("worked:v2");
    // Nothing has changed in one that was only made: no layer is added.
    await must("create", "--name", "fresh", "worked:v2");
    await must("commit", "fresh", "fresh:v1");
    expect(await must("inspect", "fresh:v1", "--format", "{{len .RootFS.Layers}}")).toBe("2");
    expect((await docker.try(1, "commit", "worked", "Not A Name")).stderr).toContain("invalid reference format");
    await must("rm", "-f", "worked", "fresh");
    await must("rmi", "worked:v2", "fresh:v1", "again:v1");
  });

  test("an SDK: archives, changes, export and commit", async () => {
    const container = await sdk.createContainer({ Image: "bb:v1", name: "sdk", User: "nobody" });
    const put = async (items: readonly ArchiveItem[], options: object = {}) => container.putArchive(await archiveOf(items), { path: "/tmp", ...options });
    await put([{ name: "a", content: "text", uid: 5 }]);
    await put([{ name: "own", content: "text", uid: 5 }], { copyUIDGID: "true" });
    const head = JSON.parse(Buffer.from(String((await container.infoArchive({ path: "/tmp" })).headers["x-docker-container-path-stat"]), "base64").toString());
    expect(head).toMatchObject({ name: "tmp", linkTarget: "", mode: 2 ** 31 + 0o755 });
    const entries = await entriesOf((await container.getArchive({ path: "/tmp" })) as never);
    expect(entries.map(({ name, uid, text }) => `${name} ${uid} ${text}`)).toEqual(["tmp/ 0 ", "tmp/a 5 text", "tmp/own 65534 text"]);
    await expect(put([{ name: "a", type: "directory" }], { noOverwriteDirNonDir: "true" })).rejects.toMatchObject({ statusCode: 400 });
    await expect(container.getArchive({ path: "/none" })).rejects.toMatchObject({ statusCode: 404 });
    await expect(container.infoArchive({ path: "/none" })).rejects.toMatchObject({ statusCode: 404 });
    expect(await container.changes()).toEqual([
      { Path: "/tmp", Kind: 0 },
      { Path: "/tmp/a", Kind: 1 },
      { Path: "/tmp/own", Kind: 1 },
    ]);
    expect((await entriesOf((await container.export()) as never)).map(({ name }) => name)).toContain("tmp/a");
    const { Id } = await container.commit({ repo: "sdk", tag: "v1", comment: "by an SDK", pause: true });
    expect((await sdk.getImage("sdk:v1").inspect()).Id).toBe(Id);
    await container.remove();
    await sdk.getImage("sdk:v1").remove();
  });

  test("sizes: ps, inspect and df; what is left over is pruned, and what it took is told", async () => {
    await must("run", "-d", "--name", "grown", "bb:v1", "sh", "-c", "dd if=/dev/zero of=/grown bs=1000 count=300; echo done; exec sleep 1000");
    await shell(`until docker logs grown 2>&1 | grep -q done; do sleep 0.1; done`);
    await must("commit", "grown", "grown:v1");
    await must("run", "--name", "ended", "-v", "kept:/kept", "bb:v1", "sh", "-c", "echo 12345 >/x; echo 1234567 >/kept/x");
    expect(await must("ps", "-s", "--format", "{{.Names}} {{.Size}}")).toMatch(/^grown 300kB \(virtual [\d.]+MB\)$/);
    expect(await must("inspect", "-s", "grown", "--format", "{{.SizeRw}}")).toBe("300000");
    const [whole, base] = (await must("inspect", "grown:v1", "bb:v1", "--format", "{{.Size}}")).split("\n").map(Number);
    expect((whole ?? 0) - (base ?? 0)).toBe(300_000);
    const usage = (await sdk.df()) as Record<string, { readonly [name: string]: unknown }[]> & { readonly LayersSize: number };
    expect(usage.LayersSize).toBe(whole);
    const shared = Object.fromEntries((usage.Images ?? []).map((image) => [(image.RepoTags as string[])[0], image.SharedSize]));
    expect(shared).toEqual({ "bb:v1": base, "grown:v1": base });
    expect((usage.Containers ?? []).map(({ SizeRw }) => SizeRw).toSorted()).toEqual([300_000, 6]);
    expect(usage.Volumes).toMatchObject([{ Name: "kept", UsageData: { Size: 8, RefCount: 1 } }]);
    expect((await shell("docker cp ended:/kept/x - | tar -xO")).stdout).toBe("1234567\n");
    expect(await must("system", "df", "-v")).toMatch(/grown +v1 .*300kB/);
    expect(await must("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}")).toContain("Containers 2 1");
    expect(await must("ps", "-aq", "--filter", "ancestor=grown:v1")).toBe("");
    expect(await must("container", "prune", "-f", "--filter", "until=1h")).toContain("Total reclaimed space: 0B");
    await must("tag", "bb:v1", "grown:v1");
    const pruned = await must("system", "prune", "-f");
    expect(pruned).toContain("Total reclaimed space: 300kB");
    expect(await must("ps", "-a", "--format", "{{.Names}}")).toBe("grown");
    await must("rm", "-f", "grown");
    await must("rmi", "grown:v1");
    await must("volume", "rm", "kept");
  });

  test("limits are those that were asked for, at the start and after an update", async () => {
    const flags = [
      "--cpu-shares",
      "512",
      "--cpu-quota",
      "20000",
      "--cpu-period",
      "50000",
      "--memory",
      "40m",
      "--memory-reservation",
      "20m",
      "--memory-swap",
      "50m",
      "--pids-limit",
      "9",
    ];
    await must("run", "-d", "--name", "limited", ...flags, "bb:v1");
    const files = [
      "cpu/cpu.shares",
      "cpu/cpu.cfs_quota_us",
      "cpu/cpu.cfs_period_us",
      "memory/memory.limit_in_bytes",
      "memory/memory.soft_limit_in_bytes",
      "pids/pids.max",
    ];
    const limits = async () => (await must("exec", "limited", "cat", ...files.map((file) => `/sys/fs/cgroup/${file}`))).split("\n").map(Number);
    expect(await limits()).toEqual([512, 20_000, 50_000, 40 << 20, 20 << 20, 9]);
    await must("update", "--cpu-shares", "256", "--cpu-quota", "30000", "--memory", "30m", "--memory-swap", "-1", "--memory-reservation", "10m", "limited");
    expect(await limits()).toEqual([256, 30_000, 50_000, 30 << 20, 10 << 20, 9]);
    await must("update", "--pids-limit", "-1", "--memory", "60m", "limited");
    expect((await limits()).slice(3)).toEqual([60 << 20, 10 << 20, Number.NaN]);
    const format = "{{.HostConfig.CpuShares}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}}";
    expect(await must("inspect", "limited", "--format", format)).toBe(`256 30000 50000 -1 ${10 << 20}`);
    expect((await docker.try(1, "update", "--cpus", "1", "limited")).stderr).toContain("Nano CPUs cannot be updated");
    await must("rm", "-f", "limited");
  });

  test("stop sends the signal that was asked for", async () => {
    const id = await must("run", "-d", "bb:v1", "sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.1; done");
    await shell(`until docker logs ${id} | grep -q ready; do sleep 0.1; done`);
    await expect(sdk.getContainer(id).stop({ signal: "SIGNOTHING" } as object)).rejects.toMatchObject({ statusCode: 400 });
    await sdk.getContainer(id).stop({ signal: "SIGUSR1", t: 60 } as object);
    expect(await must("inspect", id, "--format", "{{.State.ExitCode}}")).toBe("7");
    await must("rm", id);
  });

  test("attaching without an upgrade: by an SDK for the output, and with the body as the input", async () => {
    const container = await sdk.createContainer({ Image: "bb:v1", Cmd: ["sh", "-c", "read a; echo got $a; cat"], OpenStdin: true, StdinOnce: true });
    const output = (await container.attach({ stream: true, stdout: true, stderr: true })) as NodeJS.ReadableStream;
    const heard: Buffer[] = [];
    output.on("data", (chunk: Buffer) => heard.push(chunk));
    const ended = new Promise((resolve) => output.once("end", resolve));
    const sent = request({ socketPath: lab.socket(1), method: "POST", path: `/containers/${container.id}/attach?stream=1&stdin=1&stdout=1` });
    const answer = new Promise<string>((resolve, reject) => {
      sent.once("error", reject).once("response", async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve(Buffer.concat(chunks).toString());
      });
    });
    sent.flushHeaders();
    await container.start();
    sent.write("one\n");
    sent.end("two\n");
    expect(await answer).toMatch(/got one\n[\s\S]*two\n$/);
    await ended;
    expect(Buffer.concat(heard).toString()).toMatch(/got one\n[\s\S]*two\n$/);
    expect((await container.wait()).StatusCode).toBe(0);
    await container.remove();
  });
});

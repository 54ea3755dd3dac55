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
});

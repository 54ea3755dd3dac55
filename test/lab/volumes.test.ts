import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Volumes of one host that is a swarm by itself, by the stock command line and by our own. */
describe("volumes", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const run = (...args: readonly string[]) => must("run", "--rm", ...args);
  const shell = (script: string) => lab.run(["sh", "-ec", script]);
  const swarm = async (...args: readonly string[]) => {
    const outcome = await lab.run(["node", "dist/main/swarm.js", "--host", await lab.lab("socket", "1"), ...args]);
    if (outcome.code !== 0) throw new Error(`swarm ${args.join(" ")} exited with ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout.trim();
  };
  const names = async () => (await must("volume", "ls", "-q")).split("\n").filter((name) => name !== "");

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await docker.importBusybox([1]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("data outlives its containers and the daemon's kill, and containers go on with it", async () => {
    expect(await must("volume", "create", "--label", "tier=db", "data")).toBe("data");
    await run("-v", "data:/d", "bb:v1", "sh", "-c", "echo kept >/d/file");
    await must("run", "-d", "--name", "writer", "-v", "data:/d", "bb:v1", "sh", "-c", "until [ -e /d/go ]; do sleep 0.1; done; echo went >/d/went; sleep 100");
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    expect(await must("volume", "inspect", "data", "--format", "{{.Name}} {{.Labels.tier}} {{.Driver}} {{.Scope}}")).toBe("data db local local");
    expect((await docker.try(1, "volume", "rm", "data")).stderr).toContain("remove data: volume is in use - [");
    expect(await run("-v", "data:/x:ro", "bb:v1", "sh", "-c", "cat /x/file; touch /x/no 2>&1 | grep -c Read-only")).toBe("kept\n1");
    await run("--volumes-from", "writer", "bb:v1", "touch", "/d/go");
    await until("the writer has gone on", async () => (await run("-v", "data:/d", "bb:v1", "ls", "/d")) === "file\ngo\nwent");
    expect(await must("ps", "--filter", "volume=data", "--format", "{{.Names}} {{.Mounts}}")).toBe("writer data");
    expect(await must("cp", "writer:/d/file", "-")).toContain("kept");
    await must("rm", "-f", "writer");
    expect(await must("volume", "rm", "data")).toBe("data");
    expect(await names()).toEqual([]);
  });

  test("anonymous volumes go with their container when that is asked for, and by prune", async () => {
    await run("-v", "/a", "bb:v1", "true");
    expect(await names()).toEqual([]);
    await must("create", "--name", "one", "-v", "/a", "-v", "named:/b", "bb:v1");
    await must("create", "--name", "two", "-v", "/a", "bb:v1");
    expect(await names()).toHaveLength(3);
    await must("rm", "-v", "one");
    expect(await names()).toHaveLength(2);
    await must("rm", "two");
    expect(await must("volume", "ls", "-q", "--filter", "dangling=true")).toContain("named");
    // The command line of this version means all of them.
    expect(await must("volume", "prune", "--force", "--filter", "label!=keep")).toContain("named");
    expect(await names()).toEqual([]);
  });

  test("inspect shows mounts as docker does; a bind's source is made by -v, and missed by --mount", async () => {
    await must(
      "create",
      "--name",
      "shown",
      "-v",
      "vol:/v",
      "-v",
      "/var/lib/made:/m:ro",
      "--mount",
      "type=tmpfs,target=/t,tmpfs-size=1m",
      "--tmpfs",
      "/u:exec",
      "bb:v1",
    );
    const mounts = JSON.parse(await must("inspect", "shown", "--format", "{{json .Mounts}}")) as readonly Record<string, unknown>[];
    const source = await must("volume", "inspect", "vol", "--format", "{{.Mountpoint}}");
    // The command line keeps no order.
    expect(mounts.toSorted((a, b) => (`${a.Destination}` < `${b.Destination}` ? 1 : -1))).toEqual([
      { Type: "volume", Name: "vol", Source: source, Destination: "/v", Driver: "local", Mode: "z", RW: true, Propagation: "" },
      { Type: "tmpfs", Source: "", Destination: "/t", Mode: "", RW: true, Propagation: "" },
      { Type: "bind", Source: "/var/lib/made", Destination: "/m", Mode: "ro", RW: false, Propagation: "rprivate" },
    ]);
    expect((await shell("test -d /var/lib/made && echo made")).stdout).toBe("made\n");
    const missing = await docker.try(1, "create", "--mount", "type=bind,source=/var/lib/missing,target=/x", "bb:v1");
    expect(missing.stderr).toContain('invalid mount config for type "bind": bind source path does not exist: /var/lib/missing');
    await must("rm", "-v", "shown");
    await must("volume", "rm", "vol");
  });

  test("an image with a link where the volume goes cannot touch the host", async () => {
    // Of this lab alone, should it be touched after all.
    await shell("mkdir -p /var/lib/host /var/lib/evil/srv /var/lib/evil/bin; echo secret >/var/lib/host/passwd; cp /bin/busybox /var/lib/evil/bin");
    await shell("cd /var/lib/evil; ln -s /var/lib/host data; ln -s ../../../../../../var/lib/host up; ln -s /var/lib/host/passwd srv/link");
    const host = await lab.lab("socket", "1");
    await shell(`tar -C /var/lib/evil -c . | ${dockerClients()[0] ?? "docker"} -H ${host} import - evil:v1`);
    for (const [volume, target] of [
      ["one", "/data"],
      ["two", "/up"],
    ]) {
      const script = `echo hacked >${target}/passwd; echo hacked >/var/lib/host/shadow; /bin/busybox ls /var/lib/host`;
      expect(await run("-v", `${volume}:${target}`, "evil:v1", "/bin/busybox", "sh", "-c", script)).toBe("passwd\nshadow");
    }
    // A link in the image's content is a link in the volume, no copy of what it names here.
    expect(await run("-v", "links:/srv", "evil:v1", "/bin/busybox", "readlink", "/srv/link")).toBe("/var/lib/host/passwd");
    expect((await shell("cd /var/lib/host; ls; cat passwd")).stdout).toBe("passwd\nsecret\n");
    await must("volume", "prune", "--force");
  });

  test("a service's volume survives its update; sources are templates; what it made is its own", async () => {
    await docker.create(
      "web",
      ["--mount", "type=volume,source=web-{{.Task.Slot}}-{{.Node.Hostname}},target=/d,volume-label=slot={{.Task.Slot}}"],
      "sh",
      "-c",
      "date +%N >>/d/starts; sleep 1000",
    );
    expect(await names()).toEqual(["web-1-node-1"]);
    expect(await must("volume", "inspect", "web-1-node-1", "--format", "{{.Labels.slot}}")).toBe("1");
    await must("service", "update", "--quiet", "--image", "bb:v2", "web");
    await until("both starts are told", async () => (await run("-v", "web-1-node-1:/d", "bb:v1", "sh", "-c", "wc -l </d/starts")) === "2");
    await swarm(
      "service",
      "update",
      "--quiet",
      "--mount-rm",
      "/d",
      "--mount-add",
      "type=volume,target=/e",
      "--mount-add",
      "type=tmpfs,target=/t,tmpfs-size=1m",
      "web",
    );
    expect(await must("service", "inspect", "web", "--format", "{{range .Spec.TaskTemplate.ContainerSpec.Mounts}}{{.Type}} {{.Target}} {{end}}")).toBe(
      "volume /e tmpfs /t",
    );
    await must("service", "rm", "web");
    await until("the tasks' containers and their anonymous volumes are gone", async () => (await must("ps", "-aq")) === "" && (await names()).length === 1);
    expect(await names()).toEqual(["web-1-node-1"]);
    await swarm("volume", "rm", "web-1-node-1");
  });

  test("a task whose bind source is missing is rejected with one sentence", async () => {
    await must(
      "service",
      "create",
      "--quiet",
      "--detach",
      "--name",
      "lost",
      "--restart-condition",
      "none",
      "--mount",
      "type=bind,source=/var/lib/none,target=/x",
      "bb:v1",
    );
    await until("the task is rejected", async () => (await docker.tasks(1, "lost"))[0]?.state.startsWith("Rejected") === true);
    expect((await docker.tasks(1, "lost"))[0]?.error).toContain('invalid mount config for type "bind": bind source path does not exist: /var/lib/none');
    await must("service", "rm", "lost");
  });

  test("swarm volume: what docker volume says and takes", async () => {
    expect(await swarm("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "--label", "a=b", "memory")).toBe("memory");
    expect(await swarm("volume", "ls")).toBe("DRIVER    VOLUME NAME\nlocal     memory");
    expect(await swarm("volume", "ls", "--format", "{{.Name}} {{.Labels}}")).toBe("memory a=b");
    expect(JSON.parse(await swarm("volume", "inspect", "memory"))).toMatchObject([{ Name: "memory", Options: { type: "tmpfs", o: "size=1m" } }]);
    await must("run", "-d", "--name", "holder", "-v", "memory:/m", "bb:v1", "sh", "-c", "echo shared >/m/f; sleep 1000");
    await until("it is shared", async () => (await docker.try(1, "run", "--rm", "-v", "memory:/m", "bb:v1", "cat", "/m/f")).stdout === "shared\n");
    await must("rm", "-f", "holder");
    expect(await run("-v", "memory:/m", "bb:v1", "ls", "/m")).toBe("");
    await expect(swarm("volume", "rm", "memory", "none")).rejects.toThrow("none: get none: no such volume");
    await swarm("volume", "rm", "--force", "none");
    await swarm("volume", "create", "left");
    expect(await swarm("volume", "prune", "--all", "--force")).toBe("Deleted Volumes:\nleft\n\nTotal reclaimed space: 0B");
    const actions = await must(
      "events",
      "--since",
      "1h",
      "--until",
      `${Math.floor(Date.now() / 1000) + 1}`,
      "--filter",
      "volume=memory",
      "--format",
      "{{.Action}}",
    );
    expect([...new Set(actions.split("\n"))]).toEqual(["create", "mount", "unmount", "destroy"]);
  });

  test("the lab's end takes off what volumes mounted, and nothing behind it", async () => {
    await shell("mkdir /var/lib/precious; echo kept >/var/lib/precious/file");
    await must("volume", "create", "-o", "type=none", "-o", "device=/var/lib/precious", "-o", "o=bind", "bound");
    await must("run", "-d", "-v", "bound:/b", "bb:v1");
    expect((await shell("grep -c volumes/bound /proc/mounts")).stdout).toBe("1\n");
    await lab.lab("down");
    expect((await shell("grep volumes/bound /proc/mounts || cat /var/lib/precious/file")).stdout).toBe("kept\n");
  });
});

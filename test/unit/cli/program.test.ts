import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { rotationOf } from "../../../src/cli/rotation.js";
import { runCommandLine } from "../../../src/cli/program.js";
import { CommandLineWorld } from "../../support/command-line-world.js";

describe("a command line", () => {
  let world: CommandLineWorld;
  const swarm = (...args: string[]) => world.swarm(...args);
  const answer = (route: string, body: unknown, status = 200) => world.answer(route, body, status);

  beforeEach(async () => {
    world = await CommandLineWorld.open();
  });

  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("turns the lock on and shows the key once; what is not named in the spec stays", async () => {
    answer("GET /swarm", { Version: { Index: 7 }, Spec: { Name: "default", Raft: { SnapshotInterval: 5 }, EncryptionConfig: { AutoLockManagers: false } } });
    answer("POST /swarm/update", "");
    answer("GET /swarm/unlockkey", { UnlockKey: "SWMKEY-1-x" });
    expect(await swarm("update", "--autolock", "true", "--max-snapshots", "2")).toBe(0);
    const [, update] = world.seen;
    expect(update?.url).toContain("version=7");
    expect(JSON.parse(update?.body ?? "")).toEqual({
      Name: "default",
      Raft: { SnapshotInterval: 5, KeepOldSnapshots: 2 },
      EncryptionConfig: { AutoLockManagers: true },
    });
    expect(world.out).toContain("SWMKEY-1-x");
    [world.out, world.err] = ["", ""];
    expect(await swarm("unlock-key", "--rotate")).toBe(1);
    expect(world.err).toBe("swarm: cannot rotate the unlock key because autolock is not turned on\n");
    expect(await swarm("update", "--autolock", "maybe")).toBe(2);
  });

  test("shows how it is used when it is to change nothing: as docker's", async () => {
    for (const path of [["update"], ["swarm", "update"]]) {
      world.out = "";
      expect(await swarm(...path)).toBe(0);
      expect(world.out).toMatch(/^Usage: swarm (swarm )?update \[options\]/);
    }
    expect(world.out).not.toContain("Swarm updated");
    expect(world.seen).toEqual([]);
  });

  test("names external authorities, each with its root, in the place of those before", async () => {
    const root = join(world.folder, "root.pem");
    writeFileSync(root, "a root");
    answer("GET /swarm", { Version: { Index: 7 }, Spec: { Name: "default", CAConfig: { NodeCertExpiry: 1, ExternalCAs: [{ URL: "https://old" }] } } });
    answer("POST /swarm/update", "");
    expect(await swarm("update", "--external-ca", `protocol=cfssl,url=https://ca/sign,cacert=${root}`, "--external-ca", "protocol=cfssl,url=https://b")).toBe(
      0,
    );
    expect(JSON.parse(world.seen.at(-1)?.body ?? "").CAConfig).toEqual({
      NodeCertExpiry: 1,
      ExternalCAs: [
        { Protocol: "cfssl", URL: "https://ca/sign", CACert: "a root" },
        { Protocol: "cfssl", URL: "https://b", CACert: "" },
      ],
    });
    expect(await swarm("init", "--external-ca", "protocol=acme,url=https://ca")).toBe(2);
    expect(await swarm("update", "--external-ca", "")).toBe(0);
    expect(JSON.parse(world.seen.at(-1)?.body ?? "").CAConfig).toEqual({ NodeCertExpiry: 1, ExternalCAs: [] });
  });

  test("says what was changed also when what came of it cannot be shown: nobody is to do it again, or to miss a new key", async () => {
    const swarmOf = (isLocked: boolean) => ({ Version: { Index: 7 }, Spec: { EncryptionConfig: { AutoLockManagers: isLocked } } });
    answer("POST /swarm/update", "");
    answer("GET /swarm/unlockkey", { message: "no leader" }, 503);
    answer("GET /nodes", { message: "no leader" }, 503);
    answer("GET /info", { message: "no leader" }, 503);
    answer("GET /swarm", swarmOf(false));
    expect(await swarm("update", "--autolock")).toBe(1);
    answer("GET /swarm", swarmOf(true));
    expect(await swarm("unlock-key", "--rotate", "--quiet")).toBe(1);
    expect(await swarm("join-token", "worker", "--rotate")).toBe(1);
    expect(await swarm("ca", "--rotate")).toBe(1);
    expect(world.err.split("\n")).toEqual([
      "swarm: managers are locked from now on, and 'swarm unlock-key' shows the key; no leader",
      "swarm: the unlock key was replaced, and 'swarm unlock-key' shows the new one; no leader",
      "swarm: the worker token was replaced, and 'swarm join-token worker' shows the new one; no leader",
      "swarm: the rotation goes on; no leader",
      "",
    ]);
  });

  test("asks for no key where there is nothing to unlock, and says when there is none to show", async () => {
    answer("GET /info", { Swarm: { LocalNodeState: "active" } });
    answer("GET /swarm/unlockkey", { UnlockKey: "" });
    expect(await swarm("unlock")).toBe(1);
    expect(await swarm("unlock-key", "-q")).toBe(1);
    expect(world.err).toBe("swarm: this node is not locked\nswarm: no unlock key is set\n");
  });

  test("shows a table, JSON lines, or ids", async () => {
    const node = {
      ID: "n1",
      Spec: { Availability: "active", Role: "manager", Labels: {} },
      Description: { Hostname: "a", Engine: { EngineVersion: "1" } },
      Status: { State: "ready", Addr: "" },
      ManagerStatus: { Leader: true, Reachability: "reachable", Addr: "" },
    };
    answer("GET /nodes", [node]);
    answer("GET /info", { Swarm: { NodeID: "n1" } });
    expect(await swarm("node", "ls")).toBe(0);
    expect(world.out).toMatch(/^ID +HOSTNAME +STATUS.*\nn1 \* +a +Ready +Active +Leader +1\n$/);
    world.out = "";
    expect(await swarm("node", "ls", "--format", "json")).toBe(0);
    expect(JSON.parse(world.out)).toMatchObject({ Hostname: "a", ManagerStatus: "Leader" });
    world.out = "";
    expect(await swarm("node", "ls", "-q")).toBe(0);
    expect(world.out).toBe("n1\n");
  });

  test.each([
    [{ LocalNodeState: "active", ControlAvailable: true, RemoteManagers: [{ NodeID: "n1", Addr: "10.0.0.1:2377" }] }, /^Node: +n1 at 10\.0\.0\.1, manager$/m],
    [{ LocalNodeState: "active", ControlAvailable: false, RemoteManagers: [{ NodeID: "n2", Addr: "10.0.0.2:2377" }] }, /^Node: +n1 at 10\.0\.0\.1, worker$/m],
    [{ LocalNodeState: "active", ControlAvailable: false, RemoteManagers: null }, /^Node: +n1 at 10\.0\.0\.1, worker$/m],
    [
      { LocalNodeState: "locked", RemoteManagers: [{ NodeID: "n1", Addr: "10.0.0.1:2377" }], Error: 'locked. Please use "docker swarm unlock" to unlock it.' },
      /^Error: +locked\. Please use "swarm unlock" to unlock it\.\nNode: +n1 at 10\.0\.0\.1, manager that cannot take part$/m,
    ],
  ])("says what this node is in the swarm: %o", async (swarmInfo, expected) => {
    answer("GET /info", { MemTotal: 0, Swarm: { ControlAvailable: false, NodeID: "n1", NodeAddr: "10.0.0.1", Error: "", ...swarmInfo } });
    expect(await swarm("info")).toBe(0);
    expect(world.out).toMatch(expected);
  });

  test("lists a node that was never connected, of which nothing is known", async () => {
    const node = {
      ID: "n1",
      Spec: { Availability: "active", Role: "manager", Labels: {} },
      Description: { Hostname: "", Engine: {} },
      Status: { State: "down", Addr: "" },
    };
    answer("GET /nodes", [node]);
    answer("GET /info", { Swarm: { NodeID: "n2" } });
    expect(await swarm("node", "ls")).toBe(0);
    expect(world.out).toMatch(/\nn1 +Down +Active\n$/);
    world.out = "";
    expect(await swarm("node", "ls", "--format", "{{.ID}} {{.EngineVersion}}|")).toBe(0);
    expect(world.out).toBe("n1 |\n");
  });

  test("says whether a node has what the swarm wants of its certificate", async () => {
    const wanted = { TrustRoot: "pem", CertIssuerSubject: "s", CertIssuerPublicKey: "new" };
    const node = (id: string, tls: object | undefined) => ({
      ID: id,
      Spec: { Availability: "active", Role: "worker", Labels: {} },
      Description: { Hostname: id, Engine: { EngineVersion: "1" }, TLSInfo: tls },
      Status: { State: "ready", Addr: "" },
    });
    answer("GET /nodes", [node("a", wanted), node("b", { ...wanted, CertIssuerPublicKey: "old" }), node("c", undefined)]);
    answer("GET /info", { Swarm: { NodeID: "a", Cluster: { ID: "x", TLSInfo: wanted } } });
    expect(await swarm("node", "ls", "--format", "{{.ID}} {{.TLSStatus}}")).toBe(0);
    expect(world.out).toBe("a Ready\nb Needs Rotation\nc Unknown\n");
  });

  describe("when somebody else wrote in between", () => {
    const stale = { message: "rpc error: code = Unknown desc = update out of sequence: version 7 was given, and 8 is the current one" };
    const spec = { Name: "web", Labels: {}, TaskTemplate: { ContainerSpec: { Image: "bb:v1" } }, Mode: { Replicated: { Replicas: 1 } } };
    const node = (index: number, labels: object) => ({ ID: "n1", Version: { Index: index }, Spec: { Role: "worker", Availability: "active", Labels: labels } });
    /** The first update is refused; meanwhile the object is what `then` says. */
    const refuseOnce = (route: string, then: () => void) =>
      world.onSeen(({ method, url }) => {
        if (`${method} ${url.replace(/^\/v1\.47/, "").replace(/\?.*/, "")}` !== route || !url.includes("version=7")) return;
        answer(route, stale, 500);
        then();
      });
    const updates = () => world.seen.filter(({ method }) => method === "POST").map(({ url, body }) => [/version=(\d+)/.exec(url)?.[1], JSON.parse(body)]);

    test("labels are added to what the node is by then", async () => {
      answer("GET /nodes/n1", node(7, {}));
      refuseOnce("POST /nodes/n1/update", () => answer("GET /nodes/n1", node(8, { theirs: "1" })));
      world.onSeen(({ url }) => void (url.includes("version=8") && answer("POST /nodes/n1/update", {})));
      expect(await swarm("node", "update", "--label-add", "ours=1", "n1")).toBe(0);
      expect(updates()).toMatchObject([
        ["7", { Labels: { ours: "1" } }],
        ["8", { Labels: { theirs: "1", ours: "1" } }],
      ]);
      expect([world.out, world.err]).toEqual(["n1\n", ""]);
    });

    test.each([
      [["service", "scale", "-d", "web=3"], "web scaled to 3\n"],
      [["service", "update", "-d", "--replicas", "3", "web"], "web\n"],
    ])("%j changes what the service is by then", async (args, out) => {
      answer("GET /services/web", { ID: "s1", Version: { Index: 7 }, Spec: spec });
      refuseOnce("POST /services/s1/update", () =>
        answer("GET /services/web", { ID: "s1", Version: { Index: 8 }, Spec: { ...spec, Labels: { theirs: "1" } } }),
      );
      world.onSeen(({ url }) => void (url.includes("version=8") && answer("POST /services/s1/update", {})));
      expect(await swarm(...args)).toBe(0);
      expect(updates()).toMatchObject([
        ["7", {}],
        ["8", { Labels: { theirs: "1" }, Mode: { Replicated: { Replicas: 3 } } }],
      ]);
      expect(world.out).toBe(out);
    });

    test("a rollback is not done again: it would undo what somebody else did", async () => {
      answer("GET /services/web", { ID: "s1", Version: { Index: 7 }, Spec: spec });
      answer("POST /services/s1/update", stale, 500);
      expect(await swarm("service", "rollback", "-d", "web")).toBe(1);
      expect(updates()).toHaveLength(1);
      expect(world.err).toBe("swarm: update out of sequence: version 7 was given, and 8 is the current one\n");
    });
  });

  test.each(["DOCKER_HOST", "SWARM_HOST"])("%s that is set to nothing is not set", async (name) => {
    vi.stubEnv("DOCKER_HOST", undefined);
    vi.stubEnv("SWARM_HOST", undefined);
    vi.stubEnv(name, "");
    expect(await runCommandLine(["node", "swarm", "version"], "1.2.3")).not.toBe(2);
    expect(world.err).not.toContain('host ""');
    vi.unstubAllEnvs();
  });

  test("puts what follows the image into the container", async () => {
    answer("POST /services/create", { ID: "s1" }, 201);
    expect(await swarm("service", "create", "-d", "--name", "web", "--replicas", "2", "bb:v1", "sh", "-c", "sleep 1")).toBe(0);
    expect(world.out).toBe("s1\n");
    const distribution = { url: "/v1.47/distribution/docker.io/library/bb:v1/json" };
    expect(world.seen.map(({ url }) => ({ url }))).toEqual([distribution, { url: "/services/create" }]);
    expect(world.err).toContain("no registry says which bb:v1 is the newest");
    expect(JSON.parse(world.seen[1]?.body ?? "")).toMatchObject({
      Name: "web",
      Mode: { Replicated: { Replicas: 2 } },
      TaskTemplate: { ContainerSpec: { Image: "bb:v1", Args: ["sh", "-c", "sleep 1"] } },
    });
  });

  test("pins the image that the registry has, unless it is told not to", async () => {
    answer("POST /services/create", { ID: "s1" }, 201);
    const platforms = [
      { architecture: "amd64", os: "linux" },
      { architecture: "arm", os: "linux" },
      { architecture: "unknown", os: "unknown" },
    ];
    answer("GET /distribution/registry:5000/team/bb:v1/json", { Descriptor: { digest: `sha256:${"d".repeat(64)}` }, Platforms: platforms });
    expect(await swarm("service", "create", "-d", "registry:5000/team/bb:v1")).toBe(0);
    const pinned = JSON.parse(world.seen[1]?.body ?? "") as { readonly TaskTemplate: object };
    expect(pinned.TaskTemplate).toMatchObject({
      ContainerSpec: { Image: `registry:5000/team/bb:v1@sha256:${"d".repeat(64)}` },
      Placement: {
        Platforms: [
          { Architecture: "amd64", OS: "linux" },
          { Architecture: "", OS: "linux" },
        ],
      },
    });
    world.seen.length = 0;
    expect(await swarm("service", "create", "-d", "--no-resolve-image", "registry:5000/team/bb:v1")).toBe(0);
    expect(world.seen).toHaveLength(1);
  });

  test("keeps integers beyond 2^53 exact on their way through", async () => {
    const spec = { Name: "web", Labels: {}, TaskTemplate: { ContainerSpec: { Image: "bb:v1" } }, Mode: { Replicated: { Replicas: 1 } } };
    world.answers.set("GET /services/web", { status: 200, body: { ID: "s1", Version: { Index: 7 }, Spec: spec } });
    answer("POST /services/s1/update", {});
    expect(await swarm("service", "update", "-d", "--restart-delay", "2502h1ns", "web")).toBe(0);
    expect(world.seen.at(-1)?.url).toContain("version=7");
    expect(world.seen.at(-1)?.body).toContain('"Delay":9007200000000001');
  });

  test("ends with 1 and the daemon's words when it refuses", async () => {
    answer("GET /services/web", { message: "service web not found" }, 404);
    expect(await swarm("service", "inspect", "web")).toBe(1);
    expect(world.err).toBe("swarm: service web not found\n");
  });

  test.each([
    [
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect',
      'This node is not a swarm manager. Use "swarm init" or "swarm join" to connect',
    ],
    ["rpc error: code = NotFound desc = service web not found", "service web not found"],
    ["containers are made by services only: use docker service create", "containers are made by services only: use swarm service create"],
  ])("puts what is meant for users of docker into its own words: %s", async (message, shown) => {
    answer("GET /services/web", { message }, 503);
    expect(await swarm("service", "inspect", "web")).toBe(1);
    expect(world.err).toBe(`swarm: ${shown}\n`);
  });

  test("shows the versions that it knows when nobody answers", async () => {
    expect(await runCommandLine(["node", "swarm", "-H", "unix:///nowhere.sock", "version"], "1.2.3")).toBe(3);
    expect(world.out).toBe("Command line: 1.2.3\n");
  });

  test("a list in JSON has plain values", async () => {
    const task = (id: string, createdAt: string, error: string) => ({
      ID: id,
      ServiceID: "s1",
      NodeID: "n1",
      Slot: 1,
      CreatedAt: createdAt,
      Spec: { ContainerSpec: { Image: "bb" } },
      DesiredState: "running",
      Status: { State: "failed", Timestamp: createdAt, Err: error },
    });
    answer("GET /services/web", { ID: "s1" });
    answer("GET /services", [{ ID: "s1", Spec: { Name: "web" } }]);
    answer("GET /nodes", []);
    answer("GET /tasks", [task("old", "2026-01-01T00:00:00Z", "x".repeat(200)), task("new", "2026-01-02T00:00:00Z", "")]);
    expect(await swarm("service", "ps", "--format", "json", "web")).toBe(0);
    expect(
      world.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { ID: "new", Name: "web.1", Error: "" },
      { ID: "old", Name: "web.1", Error: "x".repeat(200) },
    ]);
    world.out = "";
    expect(await swarm("service", "ps", "web")).toBe(0);
    expect(world.out).toMatch(/^old +\\_ web\.1 .*"x{99}…"/m);
  });

  describe("ca", () => {
    const tlsInfo = (root: string, issuer: string) => ({ TrustRoot: root, CertIssuerSubject: "s", CertIssuerPublicKey: issuer });
    const swarmOf = (isRotating: boolean) => ({
      ID: "c1",
      JoinTokens: { Worker: "", Manager: "" },
      Version: { Index: 7 },
      Spec: { Name: "default", CAConfig: { NodeCertExpiry: 1, ForceRotate: 4 } },
      TLSInfo: tlsInfo("pem\n", "new"),
      RootRotationInProgress: isRotating,
    });
    const nodeOf = (id: string, issuer: string) => ({
      ID: id,
      Description: { Hostname: `host-${id}`, TLSInfo: tlsInfo("pem\n", issuer) },
      Status: { State: "down" },
    });
    const specSent = () => JSON.parse(world.seen.find(({ method }) => method === "POST")?.body ?? "{}");

    beforeEach(() => {
      answer("GET /swarm", swarmOf(false));
      answer("POST /swarm/update", "");
      answer("GET /nodes", [nodeOf("a", "new")]);
    });

    test("shows the root", async () => {
      expect(await swarm("ca")).toBe(0);
      expect(world.out).toBe("pem\n");
    });

    test("rotates to a new root, and waits until all have changed over", async () => {
      expect(await swarm("ca", "--rotate", "--cert-expiry", "2h")).toBe(0);
      expect(world.seen[1]).toMatchObject({ method: "POST", url: "/v1.47/swarm/update?version=7" });
      expect(specSent()).toEqual({ Name: "default", CAConfig: { NodeCertExpiry: 7_200_000_000_000, ForceRotate: 5 } });
      expect(world.err).toBe("1 of 1 nodes have a certificate of the desired root, 1 trust it alone\n");
      expect(world.out).toBe("pem\n");
    });

    test("says for whom it waits", () => {
      const progress = rotationOf(swarmOf(true), [nodeOf("a", "new"), nodeOf("b", "old")] as never);
      expect(progress).toEqual({ certified: 1, trusting: 0, total: 2, waiting: ["host-b (down)"], isDone: false });
    });

    test("rotates to a given root, also one of an external authority", async () => {
      const [root, key] = [join(world.folder, "root.pem"), join(world.folder, "key.pem")];
      writeFileSync(root, "a root");
      writeFileSync(key, "a key");
      expect(await swarm("ca", "--rotate", "--detach", "--ca-cert", root, "--ca-key", key)).toBe(0);
      expect(specSent().CAConfig).toEqual({ NodeCertExpiry: 1, ForceRotate: 4, SigningCACert: "a root", SigningCAKey: "a key" });
      world.seen.length = 0;
      expect(await swarm("ca", "--rotate", "--detach", "--ca-cert", root, "--external-ca", "protocol=cfssl,url=https://ca/sign")).toBe(0);
      const external = { Protocol: "cfssl", URL: "https://ca/sign", CACert: "a root" };
      expect(specSent().CAConfig).toEqual({ NodeCertExpiry: 1, ForceRotate: 4, ExternalCAs: [external], SigningCACert: "a root", SigningCAKey: "" });
      expect(world.out).toBe("");
    });

    test.each([
      [["--detach"], /need --rotate/],
      [["--rotate", "--ca-key", "x"], /--ca-key needs the certificate/],
      [["--rotate", "--external-ca", "protocol=cfssl,url=https://ca"], /--external-ca needs the root/],
      [["--rotate", "--ca-cert", "/nowhere.pem"], /--ca-cert: ENOENT/],
      [["--rotate", "--ca-cert", "/dev/null"], /--ca-cert: \/dev\/null is empty/],
      [["--rotate", "--ca-cert", "package.json", "--ca-key", "/dev/null"], /--ca-key: \/dev\/null is empty/],
      [["--rotate", "--ca-cert", "package.json", "--external-ca", "protocol=acme,url=https://ca"], /needs protocol=cfssl/],
      [["--rotate", "--ca-cert", "package.json", "--external-ca", "protocol=cfssl"], /needs url=URL/],
      [["--rotate", "--ca-cert", "package.json", "--external-ca", "protocol=cfssl,url=https://ca,label=x"], /"label=x" is none of/],
    ])("with %j is the caller's mistake", async (args, text) => {
      expect(await swarm("ca", ...args)).toBe(2);
      expect(world.err).toMatch(text);
      expect(world.seen.filter(({ method }) => method === "POST")).toEqual([]);
    });
  });

  test("goes on past names that fail, and says how many did", async () => {
    answer("DELETE /services/b", {});
    expect(await swarm("service", "rm", "a", "b", "c")).toBe(1);
    expect(world.out).toBe("b\n");
    expect(world.err).toContain("2 of 3 failed");
  });

  test.each([
    [["service", "create"], /missing required argument/],
    [["service", "frobnicate"], /unknown command/],
    [["service", "update", "--rollback", "--image", "x", "web"], /--rollback combines/],
    [["service", "scale", "web"], /is not service=replicas/],
    [["node", "ls", "--format", "yaml"], /none of table, json/],
  ])("ends with 2 for %j", async (args, text) => {
    answer("GET /nodes", []);
    answer("GET /info", { Swarm: {} });
    expect(await swarm(...args)).toBe(2);
    expect(world.err).toMatch(text);
  });

  test.each([
    [["network", "ls"], "networks cannot be created yet: services use bridge, host or none"],
    [["secret", "create", "--label", "a=b", "key", "-"], "secrets are not supported yet"],
    [["config", "--help"], "configs are not supported yet"],
    [["stack", "deploy", "-c", "compose.yaml", "web"], "stacks are not supported yet"],
  ])("says in a sentence that %j is not built", async (args, text) => {
    expect(await swarm(...args)).toBe(2);
    expect(world.err).toBe(`swarm: ${text}\n`);
    expect(world.seen).toEqual([]);
  });

  test("asks no other daemon than the one that is named, however long its name", async () => {
    expect(await runCommandLine(["node", "swarm", "-H", `unix:///${"p".repeat(107)}`, "info"], "1.2.3")).toBe(2);
    expect(world.err).toMatch(/^swarm: host "unix:\/\/\/p+" is too long for a unix socket: 108 bytes, of at most 107\n$/);
  });

  test("ends with 3 when nobody answers", async () => {
    expect(await runCommandLine(["node", "swarm", "-H", "unix:///nowhere.sock", "info"], "1.2.3")).toBe(3);
    expect(world.err).toBe("swarm: cannot reach the daemon at unix:///nowhere.sock: is swarmd running?\n");
  });

  test("shows events to the nanosecond, in docker's line", async () => {
    const event = `{"Type":"container","Action":"start","Actor":{"ID":"c1","Attributes":{"name":"web","image":"bb"}},"time":1700000000,"timeNano":1700000000561000001}`;
    world.answers.set("GET /events", { status: 200, body: event });
    expect(await swarm("events", "--until", "0s")).toBe(0);
    expect(world.out).toMatch(/^\S+T\S+:20\.561000001(Z|[+-]\d\d:\d\d) container start c1 \(image=bb, name=web\)\n$/);
    world.out = "";
    expect(await swarm("events", "--format", "{{.Action}} {{.timeNano}}")).toBe(0);
    expect(world.out).toBe("start 1700000000561000001\n");
  });

  test("says that an answer broke off", async () => {
    const daemon = createServer((_request, reply) => void reply.writeHead(200).write('{"Type":', () => reply.destroy()));
    const path = join(world.folder, "breaking.sock");
    await new Promise<void>((done) => daemon.listen(path, done));
    for (const command of [["events"], ["backup", "--passphrase-file", import.meta.filename, join(world.folder, "backup")], ["image", "save", "bb"]]) {
      world.err = "";
      expect(await swarm("-H", `unix://${path}`, ...command)).toBe(3);
      expect(world.err).toMatch(/^swarm: the daemon's answer broke off/);
    }
    daemon.close();
  });

  test("tells who asks a worker where the managers are", async () => {
    answer("GET /nodes", { message: "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state." }, 503);
    answer("GET /info", {
      Swarm: {
        NodeID: "n1",
        RemoteManagers: [
          { NodeID: "m", Addr: "10.88.0.1:2377" },
          { NodeID: "o", Addr: "10.88.0.2:2377" },
        ],
      },
    });
    expect(await swarm("node", "ls")).toBe(1);
    expect(world.err).toMatch(/cluster state\. Managers are at 10\.88\.0\.1, 10\.88\.0\.2\.\n$/);
  });

  test("a group alone shows its help, as docker does; a template that is wrong is so with nothing to list, too", async () => {
    expect(await swarm("service")).toBe(0);
    expect(world.err).toContain("Usage: swarm service");
    answer("GET /services", []);
    world.err = "";
    expect(await swarm("service", "ls", "--format", "{{.ID")).toBe(2);
    expect(world.err).toMatch(/^swarm: /);
  });

  test("lists what there is, also when something of another name is not", async () => {
    answer("GET /services/web", { ID: "s1", Spec: { Name: "web" } });
    for (const list of ["tasks", "services", "nodes"]) answer(`GET /${list}`, []);
    expect(await swarm("service", "ps", "nowhere", "web")).toBe(1);
    expect(world.out).toMatch(/^ID +NAME/);
    expect(world.err).toBe("swarm: page not found\n");
  });
});

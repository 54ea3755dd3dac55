import { afterEach, beforeEach, expect, test } from "vitest";
import { CommandLineWorld } from "../../support/command-line-world.js";

let world: CommandLineWorld;
const ID = `sha256:${"0123456789ab".padEnd(64, "c")}`;
const DIGEST = `sha256:${"d".repeat(64)}`;
const image = (more: object) => ({ Id: ID, RepoTags: [], RepoDigests: [], Created: 0, Size: 1234567, SharedSize: -1, Containers: 2, ...more });

beforeEach(async () => {
  world = await CommandLineWorld.open();
  world.answer("GET /images/json", [
    image({ RepoTags: ["bb:v1", "reg:5000/bb:v2"], RepoDigests: [`reg:5000/bb@${DIGEST}`] }),
    image({ RepoTags: null, RepoDigests: [`gone@${DIGEST}`] }),
    image({ RepoTags: ["<none>:<none>"], RepoDigests: null }),
  ]);
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test("images has a row for each name, and one for an image that has lost them", async () => {
  const rows = "bb v1 0123456789ab\nreg:5000/bb v2 0123456789ab\ngone <none> 0123456789ab\n<none> <none> 0123456789ab\n";
  for (const command of [["images"], ["image", "ls"]]) expect(await world.output(...command, "--format", "{{.Repository}} {{.Tag}} {{.ID}}")).toBe(rows);
  expect(await world.output("images", "--digests")).toMatch(
    new RegExp(
      `^REPOSITORY +TAG +DIGEST +IMAGE ID .*\\nbb +v1 +<none> +0.*\\nreg:5000/bb +v2 +${DIGEST} .*\\ngone +<none> +${DIGEST} .*\\n<none> +<none> +<none> `,
    ),
  );
  expect(await world.output("images", "-q")).toBe("0123456789ab\n".repeat(4));
  expect(await world.output("images", "-q", "--no-trunc")).toBe(`${ID}\n`.repeat(4));
  expect(JSON.parse((await world.output("images", "--format", "json")).split("\n")[0] ?? "")).toMatchObject({
    Containers: "2",
    SharedSize: "N/A",
    Size: "1.23MB",
  });
});

test("what images filters by goes to the daemon, a name as a reference", async () => {
  await world.output("images", "-a", "-f", "dangling=true", "-f", "label=a=b", "--filter", "since=bb:v1", "reg:5000/*");
  expect(JSON.parse(world.lastQuery.get("filters") ?? "")).toEqual({
    dangling: { true: true },
    label: { "a=b": true },
    since: { "bb:v1": true },
    reference: { "reg:5000/*": true },
  });
});

test("image prune asks first, and passes its filters on", async () => {
  world.answer("POST /images/prune", { ImagesDeleted: [{ Untagged: "bb:v1" }, { Deleted: ID }], SpaceReclaimed: 12345 });
  expect(await world.output("image", "prune", "-af", "--filter", "label!=keep", "--filter", "until=24h")).toBe(
    `Deleted Images:\nuntagged: bb:v1\ndeleted: ${ID}\n\nTotal reclaimed space: 12.35kB\n`,
  );
  expect(JSON.parse(world.lastQuery.get("filters") ?? "")).toEqual({ dangling: { false: true }, "label!": { keep: true }, until: { "24h": true } });
});

test("history says which image, and in bytes to who is no human", async () => {
  world.answer("GET /images/bb/history", [{ Id: ID, Created: 1700000000, CreatedBy: "RUN true", Size: 4096, Comment: "" }]);
  expect(await world.output("history", "bb")).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n0123456789ab .* RUN true +4.1kB\n$/);
  expect(await world.output("history", "-H=false", "--format", "{{.CreatedSince}} {{.Size}}", "bb")).toBe("2023-11-14T22:13:20Z 4096\n");
  expect(await world.output("history", "-q", "bb")).toBe("0123456789ab\n");
});

test("inspect finds a name among all kinds, in docker's order, or among one", async () => {
  world.answer("GET /images/team/bb/json", { Id: "i" });
  world.answer("GET /volumes/data", { Name: "data" });
  for (const kind of ["services", "tasks", "nodes"]) world.answer(`GET /${kind}/nothing`, { message: "This node is not a swarm manager. Use" }, 503);
  expect(await world.output("inspect", "-f", "{{.Id}}", "team/bb")).toBe("i\n");
  expect(await world.output("inspect", "--format", "{{.Name}}", "data")).toBe("data\n");
  expect(await world.swarm("inspect", "nothing")).toBe(1);
  expect(world.err).toBe("swarm: No such object: nothing\n");
  expect(await world.swarm("inspect", "--type", "image", "data")).toBe(1);
  expect(await world.swarm("inspect", "--type", "socks", "data")).toBe(2);
  // Who has lost the quorum does not know whether there is such a service.
  world.answer("GET /services/nothing", { message: "rpc error: code = Unknown desc = The swarm does not have a leader." }, 503);
  world.err = "";
  expect(await world.swarm("inspect", "nothing")).toBe(1);
  expect(world.err).toBe("swarm: The swarm does not have a leader.\n");
});

test("what is not verified, and not built, is said and not ignored", async () => {
  expect(await world.swarm("pull", "--disable-content-trust=false", "bb")).toBe(2);
  expect(await world.swarm("service", "create", "--secret", "s", "bb")).toBe(2);
  expect(await world.swarm("update", "--memory", "1g", "web")).toBe(2);
  expect(world.err).toMatch(
    /signatures of images is not supported\n.*--secret: secrets are not supported yet\n[\s\S]*for containers there is 'swarm container update'/,
  );
  expect(world.seen).toEqual([]);
});

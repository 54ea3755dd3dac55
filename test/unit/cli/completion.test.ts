import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wordsOf } from "../../../src/cli/completion/command-words.js";
import { createProgram } from "../../../src/cli/program.js";
import { CommandLineWorld } from "../../support/command-line-world.js";

test.each([
  ["swarm ", ["swarm", ""]],
  ["swarm run -e 'A B' x", ["swarm", "run", "-e", "A B", "x"]],
  ['swarm --filter "name=a b', ["swarm", "--filter", "name=a b"]],
  ["swarm rm a\\ b", ["swarm", "rm", "a b"]],
  ["", [""]],
])("%s is taken apart as a shell does", (line, words) => {
  expect(wordsOf(line)).toEqual(words);
});

describe("completion", () => {
  let world: CommandLineWorld;
  /** What bash is told for a line with the cursor at its end: how, and the words. */
  const complete = async (line: string): Promise<readonly string[]> =>
    (await world.output("__complete", "bash", line.replace("swarm", `swarm -H unix://${world.folder}/s.sock`), " \t\n\"'><=;|&(:")).trimEnd().split("\n");
  const words = async (line: string) => (await complete(line)).slice(1);

  beforeEach(async () => {
    world = await CommandLineWorld.open();
    const container = (name: string) => ({ Id: name.repeat(20), Names: [`/${name}`] });
    world.answer("GET /containers/json", [container("web"), container("db")]);
    world.answer("GET /images/json", [{ Id: "sha256:abcdef0123456789", RepoTags: ["bb:v1", "reg:5000/team/bb:v2", "<none>:<none>"] }]);
    world.answer("GET /volumes", { Volumes: [{ Name: "data" }, { Name: "logs" }] });
    world.answer("GET /networks", [{ Name: "bridge" }, { Name: "host" }]);
    world.answer("GET /services", [{ ID: "svcid", Spec: { Name: "front" } }]);
    world.answer("GET /tasks", [{ ID: "taskid" }]);
    world.answer(
      "GET /nodes",
      ["a", "twin", "twin"].map((Hostname, index) => ({ ID: `node${index}`, Description: { Hostname } })),
    );
  });

  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test.each([
    ["swarm servi", ["service"]],
    ["swarm service sc", ["scale"]],
    ["swarm service create --repl", ["--replicas", "--replicas-max-per-node"]],
    ["swarm container rm ", ["db", "web"]],
    ["swarm stop web ", ["db"]],
    ["swarm logs w", ["web", "webwebwebweb"]],
    ["swarm rmi b", ["bb:v1"]],
    ["swarm rmi abc", ["abcdef012345"]],
    ["swarm run --rm -it b", ["bb:v1"]],
    ["swarm run -v da", ["data:"]],
    ["swarm run --network ", ["bridge", "container:", "host"]],
    ["swarm volume inspect ", ["data", "logs"]],
    ["swarm service update f", ["front"]],
    ["swarm service logs t", ["taskid"]],
    ["swarm service scale ", ["front="]],
    ["swarm node inspect ", ["a", "node1", "node2", "self"]],
    ["swarm node update --availability d", ["drain"]],
    ["swarm node update --availability=d", ["drain"]],
    ["swarm join-token ", ["manager", "worker"]],
    ["swarm swarm join-token ", ["manager", "worker"]],
    ["swarm inspect --type volume ", ["data", "logs"]],
    ["swarm ps --filter stat", ["status="]],
    ["swarm completion f", ["fish"]],
    // bash has what stands before a colon or an equal sign already.
    ["swarm rmi bb:", ["v1"]],
    ["swarm rmi reg:5000/t", ["5000/team/bb:v2"]],
    ["swarm ps --filter status=ru", ["running"]],
    ["swarm ps --filter name=w", ["web"].flatMap((name) => [name, "webwebwebweb"])],
    // Nothing is offered where nothing is known.
    ["swarm service create --name ", []],
    ["swarm container rename web ", []],
    ["swarm nonsense ", []],
  ])("%s", async (line, expected) => {
    expect(await words(line)).toEqual(expected);
  });

  test.each([
    ["swarm stop ", '{"status":{"running":true}}'],
    ["swarm start ", '{"status":{"created":true,"exited":true,"dead":true}}'],
    ["swarm unpause ", '{"status":{"paused":true}}'],
    ["swarm rm ", '{"status":{"created":true,"exited":true,"dead":true}}'],
    ["swarm rm -f ", null],
    ["swarm node demote ", '{"role":{"manager":true}}'],
  ])("%s offers what it can be used on", async (line, filters) => {
    await complete(line);
    expect(world.lastQuery.get("filters")).toBe(filters);
  });

  test.each([
    ["swarm cp we", "words nospace files"],
    ["swarm run --env-file ", "words files"],
    ["swarm exec web ca", "words files"],
    ["swarm service scale ", "words nospace"],
    ["swarm stop ", "words"],
  ])("%s tells bash how to go on", async (line, how) => {
    expect((await complete(line))[0]).toBe(how);
  });

  test("every command and flag that help shows is offered, and no other", async () => {
    const program = createProgram("1");
    const names = program
      .createHelp()
      .visibleCommands(program)
      .map((command) => command.name());
    expect(await words("swarm ")).toEqual(names.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(names).not.toContain("__complete");
    expect(await words("swarm service create --sec")).toEqual([]);
  });

  test("a daemon that refuses or is not there is no reason to say anything", async () => {
    world.answer("GET /services", { message: "This node is not a swarm manager." }, 503);
    expect(await complete("swarm service rm ")).toEqual(["words"]);
    expect(await world.output("__complete", "bash", "swarm -H unix:///nowhere rm ", ":=")).toBe("words\n");
    expect(await world.output("__complete", "zsh", "-H", "unix:///nowhere", "rmi", "")).toBe("words\n");
    expect(world.err).toBe("");
  });

  test.each(["bash", "zsh", "fish"])("there is a script for %s", async (shell) => {
    expect(await world.output("completion", shell)).toContain(`__complete ${shell} `);
  });

  test("and for no other shell", async () => {
    expect(await world.swarm("completion", "tcsh")).toBe(2);
    expect(world.err).toContain('"tcsh" is not one of bash, zsh, fish');
  });
});

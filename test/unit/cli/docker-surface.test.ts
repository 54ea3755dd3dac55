import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { Command, Option } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../../src/cli/program.js";
import { dockerSurface, parseSurface, type SurfaceCommand, type SurfaceFlag, surfaceText } from "../../support/docker-surface.js";
import { dockerClients } from "../../support/lab.js";

const FILE = new URL("../../testdata/docker-20.10-surface.txt", import.meta.url).pathname;

const CONTEXTS = "contexts of the client are other work: the socket comes from -H, SWARM_HOST or DOCKER_HOST";
const JOBS = "jobs are not built yet: said when it is given";
const KERNEL_MEMORY = "the kernel no longer has this limit, and docker itself gave it up";
const LINK_LOCAL = "networks of one's own are not built yet";
const OBJECTS = "secrets, configs and generic resources are not built yet: said when it is given";
const WINDOWS = "Windows alone has it: said when it is given";
const STOP_TIME = "the container's own stop timeout holds where none is given, as in docker from 25 on";

/** What is not as in docker 20.10, and why. Flags are `command --flag`; a `*` stands for any words. */
const KNOWN: Readonly<Record<string, string>> = {
  "* --config": OBJECTS,
  "* --config-add": OBJECTS,
  "* --config-rm": OBJECTS,
  "* --credential-spec": WINDOWS,
  "* --generic-resource": OBJECTS,
  "* --generic-resource-add": OBJECTS,
  "* --generic-resource-rm": OBJECTS,
  "* --kernel-memory": KERNEL_MEMORY,
  "* --link-local-ip": LINK_LOCAL,
  "* --max-concurrent": JOBS,
  "* --stop-signal": "said in full: the image's comes before SIGTERM",
  "* --secret": OBJECTS,
  "* --secret-add": OBJECTS,
  "* --secret-rm": OBJECTS,
  "docker --context": CONTEXTS,
  "docker --debug": "nothing is left out of what goes wrong",
  "docker --log-level": "there is one kind of message",
  "docker update": "`swarm update` are the settings of the swarm, docker's `swarm update`: limits of containers are `swarm container update`",
  "docker search": "the daemon does not search registries: images are pulled by their names",
  "docker version --kubeconfig": "there is no Kubernetes here",
  "container restart --time": STOP_TIME,
  "container stop --time": STOP_TIME,
  "docker restart --time": STOP_TIME,
  "docker stop --time": STOP_TIME,
  "swarm init --dispatcher-heartbeat": "nodes are seen sooner to be gone: every 2 s, not 5",
  "swarm update --dispatcher-heartbeat": "what is not given stays as it is",
  "swarm update --cert-expiry": "what is not given stays as it is",
  "swarm update --snapshot-interval": "what is not given stays as it is",
  "swarm update --task-history-limit": "what is not given stays as it is",
  "swarm ca --cert-expiry": "what is not given stays as it is",
};

test("the file says what the docker client of 20.10 has", async () => {
  const [client = "docker"] = dockerClients();
  const { stdout: version } = await promisify(execFile)(client, ["--version"]);
  // Where another release is unpacked, the file stands as it was taken.
  const surface = version.includes("20.10.") ? surfaceText(await dockerSurface(client)) : readFileSync(FILE, "utf8");
  await expect(surface).toMatchFileSnapshot(FILE);
  expect(surfaceText(parseSurface(surface))).toBe(surface);
});

test("every command and flag of docker's is here, with its short form, kind and default, but for what is known", () => {
  const differences = parseSurface(readFileSync(FILE, "utf8")).flatMap(differencesOf);
  const isKnown = (difference: string) => Object.keys(KNOWN).some((pattern) => matches(pattern, difference));
  expect(differences.filter((difference) => !isKnown(difference))).toEqual([]);
  // What was mended is not listed any more.
  expect(Object.keys(KNOWN).filter((pattern) => !differences.some((difference) => matches(pattern, difference)))).toEqual([]);
});

function matches(pattern: string, difference: string): boolean {
  const [what = ""] = difference.split(": ");
  return pattern.startsWith("* ") ? what.endsWith(pattern.slice(1)) : what === pattern;
}

/** `docker swarm init` is `swarm init` here. */
function nameOf(path: string): string {
  return /^(swarm|container|image|volume|node|service|system) /.test(path) ? path : `docker ${path}`.trim();
}

function differencesOf(theirs: SurfaceCommand): readonly string[] {
  const name = nameOf(theirs.path);
  if (theirs.path === "update") return ["docker update: is that of the swarm"];
  const ours = commandAt(theirs.path.split(" ").filter((word) => word !== "" && word !== "swarm"));
  if (ours === undefined) return [`${name}: there is no such command`];
  const names = [ours.name(), ...ours.aliases()];
  const aliases = theirs.aliases.filter((alias) => !names.includes(alias)).map((alias) => `${name}: has no alias ${alias}`);
  return [...aliases, ...theirs.flags.flatMap((flag) => flagDifferences(flag, optionOf(ours, flag.long)).map((text) => `${name} --${flag.long}: ${text}`))];
}

function commandAt(words: readonly string[]): Command | undefined {
  return words.reduce<Command | undefined>(
    (parent, word) => parent?.commands.find((child) => child.name() === word || child.aliases().includes(word)),
    createProgram("1"),
  );
}

function optionOf(command: Command, long: string): Option | undefined {
  return command.options.find((option) => option.long === `--${long}` && !option.hidden);
}

function flagDifferences(theirs: SurfaceFlag, ours: Option | undefined): readonly string[] {
  if (ours === undefined) return ["is missing"];
  const preset = ours.defaultValue ?? /\(default (.*)\)$/.exec(ours.description)?.[1] ?? "";
  return [
    ...((ours.short ?? "") === theirs.short ? [] : [`short form ${ours.short ?? "none"} instead of ${theirs.short || "none"}`]),
    // A switch that may have a value is a switch.
    ...(ours.required === (theirs.type !== "") ? [] : [`${theirs.type === "" ? "should not" : "should"} take a value`]),
    ...(theirs.preset === "" || String(preset) === theirs.preset ? [] : [`default "${preset}" instead of "${theirs.preset}"`]),
  ];
}

import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { until } from "./until.js";

/** A host without a swarm, whose daemon is to be killed. */
export interface SurvivalHost {
  /** The docker command line; throws unless it exits with 0. */
  docker(...args: readonly string[]): Promise<string>;
  /** `deploy/lab`'s verbs for this host. */
  verb(verb: "kill" | "start" | "power"): Promise<unknown>;
  areThere(paths: readonly string[]): Promise<boolean>;
  /** A folder that containers can be given. */
  readonly folder: string;
  say(line: string): void;
}

const NAME = "survivor";
/** Of every three containers one goes on, one ends while no daemon is there, and one is started again by its policy when the host was off. */
const KINDS = ["steady", "ending", "always"] as const;

interface Seen {
  readonly name: string;
  readonly pid: string;
  readonly status: string;
  readonly exitCode: number;
  readonly startedAt: string;
  readonly finishedAt: string;
}

/**
 * Kills the daemon of a host with so many containers again and again, and then the host. Throws with what is wrong: a container that was disturbed, a line of a log that
 * is lost or doubled, an end that is not told with its own code and time, anything left over.
 */
export async function surviveRestarts(host: SurvivalHost, options: { readonly containers: number; readonly rounds: number }): Promise<void> {
  const names = Array.from({ length: options.containers }, (_, index) => `${NAME}-${index}`);
  for (const index of names.keys()) await begin(host, index);
  host.say(`${options.containers} containers run`);
  for (let round = 1; round <= options.rounds; round++) {
    await restartOnce(host, names);
    host.say(`the daemon was killed and started, round ${round} of ${options.rounds}`);
  }
  await checkPowerCut(host, names);
  await host.docker("rm", "-f", ...names);
}

/** Counts, ten lines at a time; one that is to end does so when there is a file, with its number as its code. */
async function begin(host: SurvivalHost, index: number): Promise<void> {
  const kind = KINDS[index % KINDS.length];
  const policy = kind === "always" ? ["--restart", "always"] : [];
  const end = kind === "ending" ? "[ -e /signal/end ] && exit $code;" : "";
  const program = `code=${codeOf(index)}; i=0; while :; do for n in 0 1 2 3 4 5 6 7 8 9; do echo $i; i=$((i+1)); done; ${end} sleep 0.3; done`;
  await host.docker("run", "-d", "--name", `${NAME}-${index}`, ...policy, "-v", `${host.folder}:/signal:ro`, "bb:v1", "sh", "-c", program);
}

const codeOf = (index: number) => (index % 200) + 1;

async function restartOnce(host: SurvivalHost, names: readonly string[]): Promise<void> {
  const ending = names.filter((_, index) => KINDS[index % KINDS.length] === "ending");
  rmSync(join(host.folder, "end"), { force: true });
  for (const { name, status } of await look(host, ending)) {
    if (status === "running") continue;
    await host.docker("rm", name);
    await begin(host, names.indexOf(name));
  }
  const logs = (await host.docker("inspect", "--format", "{{.LogPath}}", ...ending)).split("\n");
  const before = await look(host, names);
  await host.verb("kill");
  const downAtMs = Date.now() - 1;
  writeFileSync(join(host.folder, "end"), "");
  await until("the containers that end have ended without a daemon", () => host.areThere(logs.map((log) => join(dirname(log), "exit"))), 60);
  const upAtMs = Date.now();
  await host.verb("start");
  for (const [index, now] of (await look(host, names)).entries()) {
    const was = before[index];
    if (ending.includes(now.name)) {
      const finishedAtMs = Date.parse(now.finishedAt);
      const isTrue = now.status === "exited" && now.exitCode === codeOf(index) && finishedAtMs >= downAtMs && finishedAtMs <= upAtMs;
      if (!isTrue) throw new Error(`the end of ${now.name} is told as ${JSON.stringify(now)}; no daemon was there from ${downAtMs} to ${upAtMs}`);
    } else if (JSON.stringify(now) !== JSON.stringify(was)) {
      throw new Error(`${now.name} was disturbed: ${JSON.stringify(was)} became ${JSON.stringify(now)}`);
    }
    await checkLog(host, now.name);
  }
}

/** Every number once, in order. */
async function checkLog(host: SurvivalHost, name: string): Promise<void> {
  const lines = (await host.docker("logs", name)).split("\n");
  const wrong = lines.findIndex((line, index) => line !== `${index}`);
  if (wrong >= 0) throw new Error(`line ${wrong} of ${lines.length} in the log of ${name} is "${lines[wrong]}"`);
}

/** All at once: what shall, runs again; what was running otherwise has ended as killed. */
async function checkPowerCut(host: SurvivalHost, names: readonly string[]): Promise<void> {
  await host.verb("power");
  await host.verb("start");
  await until(
    "what the policy says runs again",
    async () =>
      (await look(host, names)).every(({ status, exitCode }, index) => {
        const kind = KINDS[index % KINDS.length];
        return kind === "always" ? status === "running" : status === "exited" && (kind === "ending" || exitCode === 137);
      }),
    60,
  );
}

async function look(host: SurvivalHost, names: readonly string[]): Promise<readonly Seen[]> {
  const format = "{{.Name}} {{.State.Pid}} {{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}} {{.State.FinishedAt}}";
  return (await host.docker("inspect", "--format", format, ...names)).split("\n").map((line) => {
    const [name = "", pid = "", status = "", exitCode = "", startedAt = "", finishedAt = ""] = line.split(" ");
    return { name: name.replace("/", ""), pid, status, exitCode: Number(exitCode), startedAt, finishedAt };
  });
}

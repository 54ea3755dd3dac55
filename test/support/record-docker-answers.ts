/**
 * Puts the requests of engine-requests.ts, and the conversations of hijack-conversations.ts, to a real dockerd and writes down its answers, which
 * test/lab/engine-api.test.ts holds ours against: `npx tsx test/support/record-docker-answers.ts [answers] [hijacks]`, as root, after `deploy/setup --for bench` has unpacked one. The daemon lives in namespaces of its own and is gone afterwards.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { askEngine, type EngineAnswers } from "./engine-answers.js";
import { ENGINE_REQUESTS } from "./engine-requests.js";
import { converse, HIJACK_CONVERSATIONS, type HijackAnswers } from "./hijack-conversations.js";
import { until } from "./until.js";

const repository = resolve(import.meta.dirname, "../..");
const folderOf = (name: string) => join(repository, "test/testdata", name);

/** By the word that the program is called with; all of them without. */
const RECORDINGS: Readonly<Record<string, (socket: string) => Promise<void>>> = {
  answers: async (socket) => writeFileSync(folderOf("docker-answers.json"), text(await askEngine(socket, ENGINE_REQUESTS))),
  hijacks: async (socket) => writeFileSync(folderOf("docker-hijacks.json"), text(await converse(socket, HIJACK_CONVERSATIONS))),
};

async function main(): Promise<void> {
  const peer = join(repository, ".tools/peer/usr");
  const folder = mkdtempSync(join(tmpdir(), "docker-"));
  const socket = join(folder, "docker.sock");
  const script = `mount -t tmpfs tmpfs /run; mkdir /run/docker; ip link set lo up
    exec dockerd --data-root ${folder}/data --exec-root ${folder}/exec -p ${folder}/pid -H unix://${socket}`;
  const namespaces = ["--pid", "--fork", "--kill-child", "--net", "--mount", "--mount-proc", "--uts", "--propagation", "private"];
  const daemon = spawn("unshare", [...namespaces, "bash", "-c", script], {
    env: { ...process.env, PATH: `${peer}/sbin:${peer}/bin:/usr/sbin:${process.env.PATH ?? ""}` },
    stdio: "ignore",
  });
  try {
    await until("dockerd listens", () => existsSync(socket), 30);
    const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(RECORDINGS);
    for (const name of names) await RECORDINGS[name]?.(socket);
  } finally {
    const ended = new Promise((done) => daemon.once("exit", done));
    daemon.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One answer a line: a change of one shows as such. */
function text(answers: EngineAnswers | HijackAnswers): string {
  return `{\n${Object.entries(answers)
    .map(([line, answer]) => `  ${JSON.stringify(line)}: ${JSON.stringify(answer)}`)
    .join(",\n")}\n}\n`;
}

await main();

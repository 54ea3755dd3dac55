import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerDifferences, askEngine, type EngineAnswers } from "../support/engine-answers.js";
import { HIJACK_DIFFERENCES, KNOWN_DIFFERENCES } from "../support/engine-differences.js";
import { ENGINE_REQUESTS } from "../support/engine-requests.js";
import { converse, HIJACK_CONVERSATIONS, type HijackAnswers, hijackDifferences } from "../support/hijack-conversations.js";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

const RECORDED = join(import.meta.dirname, "../testdata/docker-answers.json");
const RECORDED_HIJACKS = join(import.meta.dirname, "../testdata/docker-hijacks.json");

/** The engine's API of one host beside what a real dockerd 20.10 answered (test/support/record-docker-answers.ts), and its last corners by real clients. */
describe("the engine's API on a host on its own", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const must = (...args: readonly string[]) => docker.must(1, ...args);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab, dockerClients()[0] ?? "docker");
    await lab.lab("up", "--bare", "--managers", "1", "--workers", "0");
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("every answer has the status, type, fields and kinds of dockerd's, but for what is known and why", async () => {
    const recorded = JSON.parse(readFileSync(RECORDED, "utf8")) as EngineAnswers;
    const ours = await askEngine(lab.socket(1), ENGINE_REQUESTS);
    expect(Object.keys(ours)).toEqual(Object.keys(recorded));
    const differences = Object.entries(recorded).flatMap(([line, there]) => answerDifferences(there, ours[line]).map((text) => `${line} => ${text}`));
    expect(differences.filter((text) => !KNOWN_DIFFERENCES.some(([known]) => known.test(text)))).toEqual([]);
    expect(KNOWN_DIFFERENCES.filter(([known]) => !differences.some((text) => known.test(text))).map(([known]) => known.source)).toEqual([]);
  });

  test("a connection that becomes a stream is answered byte by byte as by dockerd, but for what is known and why", async () => {
    const recorded = JSON.parse(readFileSync(RECORDED_HIJACKS, "utf8")) as HijackAnswers;
    const ours = await converse(lab.socket(1), HIJACK_CONVERSATIONS);
    expect(Object.keys(ours)).toEqual(Object.keys(recorded));
    const differences = Object.entries(recorded).flatMap(([name, there]) => hijackDifferences(there, ours[name]).map((text) => `${name} => ${text}`));
    expect(differences.filter((text) => !HIJACK_DIFFERENCES.some(([known]) => known.test(text)))).toEqual([]);
    expect(HIJACK_DIFFERENCES.filter(([known]) => !differences.some((text) => known.test(text))).map(([known]) => known.source)).toEqual([]);
  });

  test("top with any arguments of ps, by the stock command line", async () => {
    await docker.importBusybox([1]);
    await must("run", "-d", "--name", "watched", "bb:v1");
    expect(await must("top", "watched")).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD\nroot +\d+ .* sleep 100000$/);
    const pid = await must("inspect", "watched", "--format", "{{.State.Pid}}");
    expect((await must("top", "watched", "-o", "pid,args")).split("\n").slice(1)).toEqual([expect.stringMatching(new RegExp(`^${pid} +sleep 100000$`))]);
    expect((await must("top", "watched", "aux")).split("\n")).toHaveLength(2);
    expect((await docker.try(1, "top", "watched", "-o", "args")).stderr).toContain("Couldn't find PID field in ps output");
    await must("rm", "-f", "watched");
  });

  test("import from a web server, and from one that breaks off: then nothing is left", async () => {
    const folder = "/var/lib/swarm-lab/web";
    await lab.run([
      "bash",
      "-c",
      `mkdir ${folder}; mkdir ${folder}/root; echo hello >${folder}/root/file; tar -C ${folder}/root -cf ${folder}/root.tar .; head -c 1500 ${folder}/root.tar >${folder}/cut.tar`,
    ]);
    expect((await lab.run(["deploy/lab", "--name", lab.name, "exec", "1", "busybox", "httpd", "-p", "10.88.0.1:8000", "-h", folder])).code).toBe(0);
    const imported = await must("import", "--change", 'CMD ["x"]', "http://10.88.0.1:8000/root.tar", "far:v1");
    expect(imported).toMatch(/^Downloading from http:\/\/10\.88\.0\.1:8000\/root\.tar\n(.*\n)*sha256:[0-9a-f]{64}$/);
    expect(await must("inspect", "far:v1", "--format", "{{.Comment}} {{json .Config.Cmd}}")).toBe('Imported from http://10.88.0.1:8000/root.tar ["x"]');
    expect((await docker.try(1, "import", "http://10.88.0.1:8000/none.tar", "none:v1")).stderr).toContain("http://10.88.0.1:8000/none.tar: it answered 404");
    expect((await docker.try(1, "import", "http://10.88.0.1:8000/cut.tar", "none:v1")).stderr).toContain("not a valid archive");
    expect(await must("images", "-q", "none")).toBe("");
    await must("rmi", "far:v1");
  });

  test("attach by a browser's WebSocket: output comes plain, what is typed goes in, and the end is told", async () => {
    await must("create", "--name", "page", "-i", "bb:v1", "sh", "-c", "echo ready; read line; echo got $line; echo bad >&2; exit 3");
    await using port = await forwardedPort(lab.socket(1));
    // Its own process: Node.js has the client behind a flag.
    const script = `
      const socket = new WebSocket("ws://127.0.0.1:${port.number}/v1.41/containers/page/attach/ws?stream=1&stdin=1&stdout=1&stderr=1");
      socket.binaryType = "arraybuffer";
      let text = "";
      socket.onopen = () => console.log("open");
      socket.onmessage = ({ data }) => {
        text += Buffer.from(data).toString();
        if (text === "ready\\n") socket.send("hello page\\n");
      };
      socket.onclose = ({ code, wasClean }) => console.log(JSON.stringify({ text, code, wasClean }));`;
    const running = promisify(execFile)(process.execPath, ["--experimental-websocket", "--no-warnings", "-e", script], { timeout: 50_000 });
    running.child.stdout?.once("data", () => void must("start", "page"));
    const [, result = ""] = (await running).stdout.trim().split("\n");
    expect(JSON.parse(result)).toEqual({ text: expect.stringMatching(/^ready\n(got hello page\nbad\n|bad\ngot hello page\n)$/), code: 1000, wasClean: true });
    await until("it ended", async () => (await must("inspect", "page", "--format", "{{.State.ExitCode}}")) === "3");
    await must("rm", "page");
  });
});

/** A port of this machine that leads to a socket. */
async function forwardedPort(socketPath: string): Promise<{ readonly number: number } & AsyncDisposable> {
  const server: Server = createServer((near) => {
    const far = connect(socketPath);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => undefined).pipe(to);
      from.on("close", () => to.destroySoon());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { number: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

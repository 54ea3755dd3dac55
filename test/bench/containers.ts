import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxTar } from "../support/root-filesystem.js";
import { EngineApi } from "./engine-api.js";
import { type BenchLab, dockerLab, median, ourLab, seconds } from "./lab-command.js";
import { countLogLines } from "./log-lines.js";
import type { BenchOptions, Figure } from "./main.js";

const WARM_UP = 3;
const LATENCY_ROUNDS = 50;
/** Between two starts, so that each finds an idle daemon. */
const PAUSE_MS = 50;
const STREAM_MEGABYTES = 2048;
const LINE = `${"a line of a program that has much to say ".repeat(3).slice(0, 99)}\n`;
const LINES_IN_FILE = 320_000;
const FILE_REPEATS = 12;

/** What one host's containers cost whoever uses them: the same calls on ours and on a real dockerd, in turn. */
export async function benchContainers({ say }: BenchOptions): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "bench-containers-"));
  const labs = [ourLab(), dockerLab()].filter((lab) => lab !== null);
  try {
    writeFileSync(join(folder, "image.tar"), busyboxTar());
    writeFileSync(join(folder, "lines"), LINE.repeat(LINES_IN_FILE));
    const hosts: BenchHost[] = [];
    for (const lab of labs) hosts.push(await BenchHost.open(lab, folder));
    const figures: Figure[] = [];
    for (const { name, unit, target, isMoreBetter, measure } of MEASURES) {
      const values: number[] = [];
      for (const host of hosts) values.push(await measure(host));
      say(`${name}: ${values.map((value) => value.toFixed(1)).join(", docker ")} ${unit}`);
      const [ours = Number.NaN, peer] = values;
      figures.push({ name, unit, ours, target, isMoreBetter, ...(peer === undefined ? {} : { peer, peerName: "docker 20.10" }) });
    }
    for (const host of hosts) host[Symbol.dispose]();
    return figures;
  } finally {
    for (const lab of labs) await lab.verb("down");
    rmSync(folder, { recursive: true });
  }
}

const MEASURES = [
  { name: "docker run --rm IMAGE true, p50", unit: "ms", target: 80, isMoreBetter: false, measure: (host: BenchHost) => host.run() },
  { name: "exec of true, p50", unit: "ms", target: 15, isMoreBetter: false, measure: (host: BenchHost) => host.exec() },
  { name: "attached output", unit: "MB/s", target: 500, isMoreBetter: true, measure: (host: BenchHost) => host.attach() },
  { name: "log of one container, no line lost", unit: "MB/s", target: 200, isMoreBetter: true, measure: (host: BenchHost) => host.log() },
];

/** One daemon under the bench. */
class BenchHost implements Disposable {
  readonly #lab: BenchLab;
  readonly #api: EngineApi;
  readonly #folder: string;

  private constructor(lab: BenchLab, api: EngineApi, folder: string) {
    this.#lab = lab;
    this.#api = api;
    this.#folder = folder;
  }

  static async open(lab: BenchLab, folder: string): Promise<BenchHost> {
    await lab.verb("up", "--managers", "1", "--workers", "0");
    await lab.docker(1, ["import", "-c", 'CMD ["sleep","100000"]', join(folder, "image.tar"), "bb:v1"]);
    return new BenchHost(lab, new EngineApi(await lab.verb("socket", "1")), folder);
  }

  /** Milliseconds, the command line's own included. */
  run(): Promise<number> {
    return this.#medianOf(() => this.#lab.docker(1, ["run", "--rm", "bb:v1", "true"]));
  }

  /** Milliseconds of the three calls that make one. */
  async exec(): Promise<number> {
    const id = await this.#api.start("exec", ["sleep", "100000"]);
    const value = await this.#medianOf(() => this.#api.exec(id, ["true"]));
    await this.#api.remove(id);
    return value;
  }

  /** Of a program whose output nobody logs. */
  async attach(): Promise<number> {
    const id = await this.#api.start("attach", ["sleep", "100000"]);
    let bytes = 0;
    const time = await seconds(async () => {
      bytes = await this.#api.exec(id, ["dd", "if=/dev/zero", "bs=64k", `count=${STREAM_MEGABYTES * 16}`]);
    });
    await this.#api.remove(id);
    if (bytes < STREAM_MEGABYTES * 2 ** 20) throw new Error(`only ${bytes} bytes came`);
    return bytes / 1e6 / time;
  }

  /** Bytes of the program's own, from its start to its end, which is after its log is written. */
  async log(): Promise<number> {
    const script = `for i in $(seq ${FILE_REPEATS}); do dd if=/lines bs=64k 2>/dev/null; done`;
    let id = "";
    const time = await seconds(async () => {
      id = await this.#api.start("log", ["sh", "-c", script], { Binds: [`${join(this.#folder, "lines")}:/lines:ro`] });
      await this.#api.wait(id);
    });
    const { LogPath } = await this.#api.call<{ readonly LogPath: string }>("GET", `/containers/${id}/json`);
    const lines = await countLogLines(LogPath);
    await this.#api.remove(id);
    if (lines !== LINES_IN_FILE * FILE_REPEATS) throw new Error(`${LINES_IN_FILE * FILE_REPEATS} lines were written, ${lines} are in the log`);
    return (LINE.length * LINES_IN_FILE * FILE_REPEATS) / 1e6 / time;
  }

  [Symbol.dispose](): void {
    this.#api[Symbol.dispose]();
  }

  async #medianOf(action: () => Promise<unknown>): Promise<number> {
    const times: number[] = [];
    for (let round = 0; round < WARM_UP + LATENCY_ROUNDS; round++) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const time = await seconds(action);
      if (round >= WARM_UP) times.push(time * 1000);
    }
    return median(times);
  }
}

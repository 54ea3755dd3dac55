import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { systemClock } from "../../src/base/clock.js";
import { systemCodeOf } from "../../src/base/errors.js";
import { newContainerId } from "../../src/base/ids.js";
import { silentLogger } from "../../src/base/log.js";
import type { ContainerConfig } from "../../src/runtime/container-config.js";
import type { ContainerExit, ContainerLogOptions, ExecConfig, ExecProcess, LogLine } from "../../src/runtime/container-runtime.js";
import type { ImageConfig } from "../../src/runtime/image-store.js";
import type { OciRuntimes } from "../../src/runtime/oci/oci-runtimes.js";
import { openKernel } from "../../src/kernel/native-kernel.js";
import { LocalRuntime } from "../../src/runtime/local-runtime.js";
import type { RealtimeTime } from "../../src/runtime/realtime-budget.js";
import type { UserRemap } from "../../src/runtime/user-remap.js";
import { LocalVolumeStore } from "../../src/volumes/local-volume-store.js";
import { FolderImages, makeBusyboxRoot } from "./folder-images.js";
import { containerConfig as plainConfig } from "./container-config.js";

export const SHIM_PATH = resolve(import.meta.dirname, "../../native/build/swarm-shim");

/** Prints `ready`; ends with 7 at SIGUSR1, with 0 at SIGTERM. */
export const PATIENT = ["sh", "-c", "trap 'exit 7' USR1; trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done"];

/** Runs a program in a container as the container's own, without streams. */
export const PLAIN_EXEC: Omit<ExecConfig, "args"> = { env: [], workingDir: "", user: "", isPrivileged: false, isTerminal: false, size: null, streams: null };

/** Settings of a container that differs from nothing special by `changes`. */
export function containerConfig(changes: Partial<ContainerConfig> = {}): ContainerConfig {
  const id = newContainerId();
  return plainConfig(id, `test-${id.slice(0, 12)}`, { image: "busybox", command: PATIENT, hostname: "", ...changes });
}

/**
 * When the test process ends, however it does, kills what is in the world's cgroups and removes them and its folder: shims would live on by design.
 * Reads until its input closes.
 */
const GUARDIAN = `
while read -r _; do :; done
for round in 1 2 3 4 5 6 7 8 9 10; do
  left=
  for group in $(find /sys/fs/cgroup -maxdepth 5 -depth -type d -path "*/$1*" 2>/dev/null); do
    for process in $(cat "$group/cgroup.procs"); do kill -9 "$process"; done
    rmdir "$group" 2>/dev/null || left=yes
  done
  [ -z "$left" ] && break
  sleep 0.1
done
umount -l "$2/data" 2>/dev/null
rm -rf "$2"
`;

/** A LocalRuntime of its own on this machine: real containers of busybox, removed with the world. */
export class ContainerWorld {
  readonly folder = mkdtempSync(join(tmpdir(), "swarm-runtime-"));
  /** The uppermost of the world's cgroups in each hierarchy. */
  readonly cgroup = `swarm-test-${randomBytes(4).toString("hex")}`;
  readonly images = new FolderImages();
  readonly #guardian;
  #execRoot = join(this.folder, "run");
  runtimes: OciRuntimes | undefined;
  userRemap: UserRemap | null = null;
  realtime: RealtimeTime | null = null;
  #isMounted = false;
  #runtime: LocalRuntime | null = null;
  #volumes: LocalVolumeStore | null = null;

  private constructor() {
    this.#guardian = spawn("sh", ["-c", GUARDIAN, "guardian", this.cgroup, this.folder], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    this.#guardian.unref();
    this.images.add("busybox", [makeBusyboxRoot(join(this.folder, "image"))]);
  }

  /** `dataSizeBytes` puts the data root on a file system of that size, `isDataOnOverlay` on an overlay. */
  static async open(
    options: {
      readonly dataSizeBytes?: number;
      readonly isDataOnOverlay?: boolean;
      readonly runtimes?: OciRuntimes;
      readonly userRemap?: UserRemap;
      readonly execRoot?: string;
    } = {},
  ): Promise<ContainerWorld> {
    const world = new ContainerWorld();
    world.runtimes = options.runtimes;
    world.userRemap = options.userRemap ?? null;
    world.#execRoot = options.execRoot ?? world.#execRoot;
    if (options.dataSizeBytes !== undefined) world.#mountData("tmpfs", `size=${options.dataSizeBytes}`);
    if (options.isDataOnOverlay === true) {
      const [lower, upper, work] = ["lower", "upper", "work"].map((name) => join(world.folder, "below", name));
      for (const folder of [lower, upper, work]) mkdirSync(folder!, { recursive: true });
      world.#mountData("overlay", `lowerdir=${lower},upperdir=${upper},workdir=${work}`);
    }
    await world.reopen();
    return world;
  }

  #mountData(type: string, options: string): void {
    mkdirSync(join(this.folder, "data"));
    execFileSync("mount", ["-t", type, "-o", options, type, join(this.folder, "data")]);
    this.#isMounted = true;
  }

  get runtime(): LocalRuntime {
    if (this.#runtime === null) throw new Error("the world's runtime is closed");
    return this.#runtime;
  }

  get volumes(): LocalVolumeStore {
    if (this.#volumes === null) throw new Error("the world's volumes are not open yet");
    return this.#volumes;
  }

  /** As a restart of the daemon; containers live on. */
  async reopen(): Promise<void> {
    await this.closeRuntime();
    this.#volumes = await LocalVolumeStore.open({
      folder: join(this.folder, "data", "volumes"),
      programPath: join(dirname(SHIM_PATH), "swarm-volume"),
      clock: systemClock,
      logger: silentLogger,
    });
    this.#runtime = await LocalRuntime.open({
      volumes: this.#volumes,
      dataRoot: join(this.folder, "data"),
      execRoot: this.#execRoot,
      ownerId: "own",
      images: this.images,
      shimPath: SHIM_PATH,
      cgroupParent: `${this.cgroup}/nested`,
      ...(this.runtimes === undefined ? {} : { runtimes: this.runtimes }),
      userRemap: this.userRemap,
      realtime: this.realtime,
      hostGateway: "172.30.0.1",
      sendDatagram: (path, data) => openKernel().sendDatagram(path, data),
      killGroup: (path) => openKernel().killGroup(path),
      defaultLog: { driver: "json-file", options: {} },
      logger: silentLogger,
      clock: systemClock,
    });
  }

  async closeRuntime(): Promise<void> {
    await this.#runtime?.[Symbol.asyncDispose]();
    this.#runtime = null;
  }

  addImage(reference: string, config: Partial<ImageConfig>): void {
    this.images.add(reference, [join(this.folder, "image")], config);
  }

  async create(changes: Partial<ContainerConfig> = {}): Promise<string> {
    const config = containerConfig(changes);
    await this.runtime.create(config);
    return config.id;
  }

  async start(changes: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await this.create(changes);
    await this.runtime.start(id);
    return id;
  }

  /** Starts it and waits until it has printed something. */
  async startReady(changes: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await this.start(changes);
    await this.firstLine(id);
    return id;
  }

  async firstLine(id: string): Promise<string> {
    for await (const line of this.logs(id, { follow: true })) return Buffer.from(line.data).toString();
    return "";
  }

  /** Runs a shell script to its end and removes the container. */
  async run(script: string, changes: Partial<ContainerConfig> = {}): Promise<{ readonly exit: ContainerExit; readonly output: string }> {
    const id = await this.start({ command: ["sh", "-c", script], ...changes });
    const exit = await this.runtime.wait(id);
    const output = await this.output(id);
    await this.runtime.remove(id);
    return { exit, output };
  }

  /** Starts a shell script and waits for its end; the container stays. */
  async ran(script: string, changes: Partial<ContainerConfig> = {}): Promise<string> {
    const id = await this.start({ command: ["sh", "-c", script], ...changes });
    await this.runtime.wait(id);
    return id;
  }

  /** Runs one more program in it. */
  exec(id: string, ...args: readonly string[]): Promise<ExecProcess> {
    return this.runtime.exec(id, { ...PLAIN_EXEC, args });
  }

  async output(id: string): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const line of this.logs(id)) parts.push(line.data);
    return Buffer.concat(parts).toString();
  }

  /** All of its log as it is now, unless the options say otherwise. */
  logs(id: string, options: Partial<ContainerLogOptions> = {}, signal = new AbortController().signal): AsyncIterable<LogLine> {
    const all = { follow: false, stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: -1 };
    return this.runtime.logs(id, { ...all, ...options }, signal);
  }

  /** The lines of its log, as texts. */
  async lines(id: string, options: Partial<ContainerLogOptions> = {}): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of this.logs(id, options)) lines.push(Buffer.from(line.data).toString());
    return lines;
  }

  /** Directories of this world's cgroups. */
  cgroups(): readonly string[] {
    // Version 2 alone is mounted at the top; hierarchies of version 1 are below.
    return ["", ...readdirSync("/sys/fs/cgroup")].map((hierarchy) => join("/sys/fs/cgroup", hierarchy, this.cgroup)).flatMap(withFoldersBelow);
  }

  /** Process ids of this world's shims. */
  shims(): readonly number[] {
    const group = this.cgroups().find((path) => path.includes("/pids/") && path.endsWith("/shims")) ?? this.cgroups().find((path) => path.endsWith("/shims"));
    if (group === undefined) return [];
    return readFileSync(join(group, "cgroup.procs"), "utf8")
      .split("\n")
      .map(Number)
      .filter((pid) => pid > 0 && pid !== this.runtime.spawnerPid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#runtime !== null) {
      for (const { config } of this.#runtime.list()) await this.#runtime.remove(config.id, { force: true });
    }
    await this.closeRuntime();
    if (this.#isMounted) execFileSync("umount", [join(this.folder, "data")]);
    rmSync(this.folder, { recursive: true, force: true });
    this.#guardian.stdin.end();
  }
}

/** The folder and all below it; nothing of those that are gone, or go meanwhile. */
function withFoldersBelow(path: string): readonly string[] {
  try {
    const folders = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [path, ...folders.flatMap(({ name }) => withFoldersBelow(join(path, name)))];
  } catch (cause) {
    if (["ENOENT", "ENOTDIR", "ENODEV"].includes(systemCodeOf(cause) ?? "")) return [];
    throw cause;
  }
}

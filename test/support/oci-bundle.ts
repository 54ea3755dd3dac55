import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { makeBusyboxRoot } from "./folder-images.js";

export const OCI_PATH = resolve(import.meta.dirname, "../../native/build/swarm-oci");

/** config.json, as far as tests change it. */
export type OciConfig = Record<string, unknown> & { process: Record<string, unknown>; linux: Record<string, unknown> };

export interface Outcome {
  readonly code: number;
  readonly stderr: string;
  readonly stdout: string;
}

const CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETUID", "CAP_SETGID", "CAP_MKNOD", "CAP_DAC_OVERRIDE"];

/** A bundle (OCI runtime specification) of busybox in a folder of its own, and the command line over it. */
export class OciBundle {
  readonly folder = mkdtempSync(join(tmpdir(), "swarm-bundle-"));
  readonly id = `test-${randomBytes(4).toString("hex")}`;
  readonly root = join(this.folder, "rootfs");

  constructor() {
    // Others than root pass through it in user namespaces.
    chmodSync(this.folder, 0o755);
    makeBusyboxRoot(this.root);
    mkdirSync(join(this.folder, "shared"));
    chmodSync(join(this.folder, "shared"), 0o777);
  }

  /** The configuration: a shell with this script, /shared of the host, and what is changed. */
  write(script: string, change: (config: OciConfig) => void = () => undefined): void {
    const namespaces = ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type }));
    const config: OciConfig = {
      ociVersion: "1.0.2",
      process: {
        user: { uid: 0, gid: 0 },
        args: ["sh", "-c", script],
        env: ["PATH=/bin"],
        cwd: "/",
        capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
        noNewPrivileges: true,
      },
      root: { path: "rootfs" },
      hostname: "bundle",
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
        { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
        { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
        { destination: "/shared", type: "bind", source: join(this.folder, "shared"), options: ["bind"] },
      ],
      linux: { namespaces, cgroupsPath: `/${this.id}`, maskedPaths: ["/proc/kcore"], readonlyPaths: ["/proc/sys"] },
    };
    change(config);
    writeFileSync(join(this.folder, "config.json"), JSON.stringify(config));
  }

  /** Our program with these words; output of containers goes to the file `out`. */
  call(...words: readonly string[]): Outcome {
    return this.callProgram([OCI_PATH], words);
  }

  callProgram(program: readonly string[], words: readonly string[]): Outcome {
    const [path = "", ...first] = program;
    const outcome = spawnSync(path, [...first, "--root", join(this.folder, "state"), ...words], { encoding: "utf8", timeout: 30_000 });
    return { code: outcome.status ?? -1, stderr: outcome.stderr, stdout: outcome.stdout };
  }

  /** `create` with its output and the container's in a file: the container keeps it open. */
  create(program: readonly string[] = [OCI_PATH]): Outcome {
    const line = `exec "$@" >${this.folder}/out 2>&1 </dev/null`;
    const words = ["--root", join(this.folder, "state"), "create", "--bundle", this.folder, "--pid-file", join(this.folder, "pid"), this.id];
    const outcome = spawnSync("sh", ["-c", line, "sh", ...program, ...words], { encoding: "utf8", timeout: 30_000 });
    return { code: outcome.status ?? -1, stderr: this.output(), stdout: "" };
  }

  output(): string {
    return readFileSync(join(this.folder, "out"), "utf8");
  }

  shared(name: string): string {
    return readFileSync(join(this.folder, "shared", name), "utf8");
  }

  state(): Record<string, unknown> {
    return JSON.parse(this.call("state", this.id).stdout) as Record<string, unknown>;
  }

  pid(): number {
    return Number(readFileSync(join(this.folder, "pid"), "utf8"));
  }

  /** Groups of this container that exist. */
  cgroups(): readonly string[] {
    return ["", ...readdirSync("/sys/fs/cgroup")].map((hierarchy) => join("/sys/fs/cgroup", hierarchy, this.id)).filter((path) => existsSync(path));
  }

  [Symbol.dispose](): void {
    this.call("delete", "--force", this.id);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

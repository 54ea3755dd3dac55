import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemCodeOf } from "../../base/errors.js";
import { EXEC_PREFIX, shortName } from "../container-paths.js";
import type { ContainerConfig } from "../container-config.js";
import type { ExecLaunch, Launch } from "../launch.js";
import { execRecords, launchRecords, ociParts } from "../launch-request.js";
import { encode, type LaunchRecord } from "../shim/launch-record.js";
import { readMaps } from "../user-remap.js";
import { ociConfig, ociProcess } from "./oci-config.js";
import { type OciRuntime, type OciRuntimes, runtimeNamed } from "./oci-runtimes.js";

/** What shims are asked that have another runtime below them (native/shim/other-runtime.h), and where its files are: EXEC_ROOT/oci. */
export class OtherRuntimes {
  readonly #runtimes: OciRuntimes;
  readonly #folder: string;
  readonly #seccompOf: (config: ContainerConfig) => object | null;

  constructor(options: { readonly runtimes: OciRuntimes; readonly execRoot: string; readonly seccompOf: (config: ContainerConfig) => object | null }) {
    this.#runtimes = options.runtimes;
    this.#folder = join(options.execRoot, "oci");
    this.#seccompOf = options.seccompOf;
  }

  /** Null for our own. Throws `invalid_argument` when it is not configured (any more). */
  of(config: Pick<ContainerConfig, "runtime">): OciRuntime | null {
    return runtimeNamed(this.#runtimes, config.runtime);
  }

  /** As encodeLaunch. */
  async encodeLaunch(runtime: OciRuntime, asked: Launch): Promise<Buffer> {
    const launch = await placed(asked);
    const { config, cgroups } = launch;
    const name = shortName(config.id);
    // The runtime makes the parents of its own groups; ours are made one by one.
    for (const { path } of cgroups.groups) await mkdir(dirname(path), { recursive: true });
    const text = ociConfig(launch, { ...ociParts(launch), bundle: join(this.#folder, name), seccomp: this.#seccompOf(config) });
    return encode([...launchRecords(launch), ...(await this.#records(runtime, config, name, text)), ["runtime.unified-group", unifiedBeside(cgroups)]]);
  }

  /** As encodeExec. */
  async encodeExec(runtime: OciRuntime, container: ContainerConfig, launch: ExecLaunch): Promise<Buffer> {
    const bundle = `${EXEC_PREFIX}${shortName(launch.id)}`;
    const records = await this.#records(runtime, container, bundle, ociProcess(launch));
    return encode([...execRecords(launch), ...records, ["root", PLACE], ["runtime.unified-group", unifiedBeside(launch.cgroups)]]);
  }

  /** Removes what a runtime keeps of a container that is gone. */
  async forget(id: string): Promise<void> {
    const name = shortName(id);
    for (const folder of await this.#folders()) {
      if (folder === name) await rm(join(this.#folder, folder), { recursive: true, force: true });
      else if (folder.startsWith(STATE_PREFIX)) await rm(join(this.#folder, folder, name), { recursive: true, force: true });
    }
  }

  /** Removes bundles of shims that are gone; `names` are those of sockets, without their ending. */
  async sweep(names: ReadonlySet<string>): Promise<void> {
    for (const folder of await this.#folders()) {
      if (!folder.startsWith(STATE_PREFIX) && !names.has(folder)) await rm(join(this.#folder, folder), { recursive: true, force: true });
    }
  }

  async #records(runtime: OciRuntime, container: ContainerConfig, bundle: string, config: string): Promise<readonly LaunchRecord[]> {
    const root = join(this.#folder, `${STATE_PREFIX}${container.runtime}`);
    await mkdir(root, { recursive: true, mode: 0o700 });
    return [
      ["runtime", runtime.path],
      ...runtime.args.map((arg) => ["runtime.arg", arg] as const),
      ["runtime.root", root],
      ["runtime.bundle", join(this.#folder, bundle)],
      ["runtime.container", shortName(container.id)],
      ["runtime.config", config],
    ];
  }

  async #folders(): Promise<readonly string[]> {
    try {
      return await readdir(this.#folder);
    } catch (cause) {
      if (systemCodeOf(cause) === "ENOENT") return [];
      throw cause;
    }
  }
}

const STATE_PREFIX = "state-";

/**
 * In the mount namespace of the runtime's call, and there alone: root and binds of a container in a user namespace, whose root must get there, as he does not into the
 * data root. A folder that every host has, and that no runtime needs.
 */
const PLACE = "/dev/shm";

async function placed(launch: Launch): Promise<Launch> {
  if (launch.maps === null) return launch;
  const [joined] = launch.joined;
  const maps = joined === undefined ? launch.maps : await readMaps(joined.pid);
  return { ...launch, maps, paths: { ...launch.paths, root: PLACE } };
}

/** The version 2 group where version 1 is there too: then the runtime does not know it. */
function unifiedBeside({ groups }: Launch["cgroups"]): string {
  return groups.every((group) => group.isUnified) ? "" : (groups.find((group) => group.isUnified)?.path ?? "");
}

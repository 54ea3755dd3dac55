import { allCapabilities, capabilitiesOf } from "./capabilities.js";
import type { CgroupPlan } from "./cgroup-plan.js";
import { execSocket, shortName } from "./container-paths.js";
import type { ContainerRecord } from "./container-record.js";
import type { ExecConfig, ExecProcess } from "./container-runtime.js";
import type { ContainerTools } from "./container-tools.js";
import { encodeExec } from "./launch-request.js";
import { mergeEnv } from "./process-config.js";
import { startExec } from "./shim/local-exec.js";

/** A container that runs: its first process, as the host counts, and its groups. */
export interface RunningContainer {
  readonly record: ContainerRecord;
  readonly pid: number;
  readonly cgroups: CgroupPlan;
}

/** Starts one more program in a container, with what it leaves open taken from the container's own. Throws as startExec. */
export async function runInContainer(tools: ContainerTools, { record, pid, cgroups }: RunningContainer, config: ExecConfig): Promise<ExecProcess> {
  const { config: container, process } = record;
  const terminal = config.isTerminal ? ["TERM=xterm"] : [];
  const group = config.isDisposable ? await tools.cgroups.makeInner(cgroups) : null;
  const runtime = tools.otherRuntimes.of(container);
  return startExec(tools.spawner, {
    socketOf: (id) => execSocket(tools.execRoot, id),
    encode: async (launch) => (runtime === null ? encodeExec(launch) : tools.otherRuntimes.encodeExec(runtime, container, launch)),
    container: { pid, group: `/${shortName(container.id)}` },
    args: config.args,
    env: mergeEnv([...terminal, ...process.env, ...config.env]),
    workingDir: config.workingDir || process.workingDir,
    user: config.user || process.user,
    groups: container.groups,
    capabilities: config.isPrivileged ? allCapabilities() : capabilitiesOf(container),
    config: container,
    cgroups: group?.plan ?? cgroups,
    discard: async () => group?.remove(),
    seccomp: await tools.seccompOf(container),
    isTerminal: config.isTerminal,
    size: config.size,
    hasInput: config.streams?.stdin ?? false,
    streams: config.streams,
  });
}

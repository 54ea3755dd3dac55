import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { deferred } from "../../base/deferred.js";
import { ClusterError, isClusterError } from "../../base/errors.js";
import type { ExecProcess } from "../container-runtime.js";
import type { ExecLaunch } from "../launch.js";
import { ShimConnection } from "./shim-connection.js";
import { attachToShim } from "./shim-stream.js";
import { signalNumber } from "../signals.js";
import type { Spawner } from "./spawner.js";
import type { StreamChoice } from "../container-runtime.js";

/** Exit code of a program whose end nobody saw. */
const EXIT_CODE_UNKNOWN = 137;

export interface ExecRequest extends Omit<ExecLaunch, "id" | "socket" | "attachers"> {
  readonly socketOf: (id: string) => string;
  readonly encode: (launch: ExecLaunch) => Promise<Buffer>;
  readonly streams: StreamChoice | null;
  readonly discard: () => Promise<void>;
}

/**
 * Runs one more program in a container, below a shim of its own that ends with it. Resolves when the program was executed; throws `failed_precondition` with the
 * reason when it was not.
 */
export async function startExec(spawner: Spawner, request: ExecRequest): Promise<ExecProcess> {
  try {
    return await start(spawner, request);
  } catch (cause) {
    await request.discard();
    throw cause;
  }
}

async function start(spawner: Spawner, request: ExecRequest): Promise<ExecProcess> {
  const id = randomBytes(32).toString("hex");
  const socket = request.socketOf(id);
  const started = deferred<number>();
  const ended = deferred<number>();
  for (const { promise } of [started, ended]) promise.catch(() => undefined);
  await spawner.start(id, await request.encode({ ...request, id, socket, attachers: request.streams === null ? 0 : 1 }));
  const connection = await ShimConnection.open(socket, {
    onRunning: (pid) => started.resolve(pid),
    onOutcome(outcome) {
      if (outcome.type === "failed") {
        started.reject(new ClusterError("failed_precondition", `unable to start container process: ${outcome.reason}`));
        return;
      }
      // One that ended before we connected was executed nevertheless.
      started.resolve(0);
      ended.resolve(outcome.exit.exitCode);
    },
  });
  if (connection === null) throw new ClusterError("failed_precondition", "unable to start container process: its shim ended unexpectedly");
  connection.closed.then(() => {
    started.reject(new ClusterError("failed_precondition", "unable to start container process: its shim ended unexpectedly"));
    ended.resolve(EXIT_CODE_UNKNOWN);
  });
  let stream: Duplex | null = null;
  try {
    if (request.streams !== null) stream = await attachToShim(socket, request.streams);
    const pid = await started.promise;
    return {
      pid,
      stream,
      ended: ended.promise,
      resize: async ({ rows, columns }) => connection.resize(rows, columns),
      async kill(signal) {
        await connection.kill(signalNumber(signal)).catch((cause: unknown) => {
          // It has ended: what was asked for.
          if (!isClusterError(cause, "failed_precondition")) throw cause;
        });
      },
      discard: request.discard,
    };
  } catch (cause) {
    stream?.destroy();
    // The reason is the shim's, if it gave one.
    await started.promise;
    throw cause;
  }
}

import { createHash } from "node:crypto";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadLiveEndpoints } from "../agent/live-endpoints.js";
import { describeNode } from "../agent/node-description.js";
import type { Backend } from "../api/http/backend.js";
import type { ListenOptions } from "../api/http/listener.js";
import { createHttpServer } from "../api/http/server.js";
import { type Clock, systemClock } from "../base/clock.js";
import { deferred } from "../base/deferred.js";
import { messageOf } from "../base/errors.js";
import { createLogger, type Logger } from "../base/log.js";
import { systemRandom } from "../base/random.js";
import { Engine } from "../engine/engine.js";
import { HealthFolder } from "../engine/health/health-records.js";
import { openKernel } from "../kernel/native-kernel.js";
import { AddressPool } from "../network/address-pool.js";
import { LocalHostNetwork } from "../network/local-host-network.js";
import { tlsInfoOf } from "../pki/tls-info.js";
import { readApiTls } from "./api-tls.js";
import type { LiveIdentity } from "../rpc/live-identity.js";
import { LocalImageStore } from "../runtime/images/local-image-store.js";
import { RegistryTransfer } from "../runtime/images/registry-transfer.js";
import { LocalRuntime } from "../runtime/local-runtime.js";
import { readUserRemap } from "../runtime/user-remap.js";
import { LocalVolumeStore } from "../volumes/local-volume-store.js";
import { parseHostPort } from "./addresses.js";
import { certificateLives } from "./certificate-lives.js";
import type { DaemonConfig } from "./config.js";
import { openEngineId } from "./engine-id.js";
import { describeHost } from "./host.js";
import { optimiseSooner } from "./hot-code.js";
import { Metrics, type MetricsSource } from "./metrics.js";
import { SwarmNode } from "./swarm-node.js";
import { VERSION } from "./version.js";

const SHIM = nativeProgram("swarm-shim");
const UNPACKER = nativeProgram("swarm-unpack");
const VOLUME_PROGRAM = nativeProgram("swarm-volume");

/** A registry that sends nothing for this long is given up, or asked again. */
const REGISTRY_STALL_MS = 30_000;

/**
 * Runs the daemon until it is told to stop (SIGTERM or SIGINT) or a part fails for good. Resolves with the exit code; rejects with what kept it from
 * starting. README.md has the order of things.
 */
export async function runDaemon(config: DaemonConfig): Promise<number> {
  const logger = createLogger({ level: config.logLevel });
  const stop = deferred<number>();
  const onSignal = (signal: NodeJS.Signals) => {
    logger.info({ signal }, "stopping; containers go on");
    stop.resolve(0);
  };
  process.once("SIGTERM", onSignal).once("SIGINT", onSignal);
  await mkdir(config.dataRoot, { recursive: true, mode: 0o711 });
  await mkdir(config.execRoot, { recursive: true, mode: 0o711 });
  const kernel = openKernel();
  const lock = kernel.lockFile(join(config.dataRoot, "lock"));
  try {
    return await serve(config, logger, {
      kernel,
      stopped: stop.promise,
      onFailure: (cause) => {
        logger.error({ err: cause }, `the daemon cannot go on: ${messageOf(cause)}`);
        stop.resolve(1);
      },
    });
  } finally {
    process.removeListener("SIGTERM", onSignal).removeListener("SIGINT", onSignal);
    lock.release();
  }
}

interface Life {
  readonly kernel: ReturnType<typeof openKernel>;
  readonly stopped: Promise<number>;
  readonly onFailure: (cause: unknown) => void;
}

async function serve(config: DaemonConfig, logger: Logger, life: Life): Promise<number> {
  const { dataRoot, execRoot } = config;
  const [clock, random, ownerId] = [systemClock, systemRandom, ownerIdOf(dataRoot)];
  const id = await openEngineId({ dataRoot, execRoot, logger });
  const userRemap = await readUserRemap(config.usernsRemap);
  // As root inside is not root here, but his files are root's: nobody else shall get at a program with set-user-id that he made (CVE-2021-41091).
  if (userRemap !== null) await chmod(dataRoot, 0o710);
  const images = await LocalImageStore.open({ dataRoot, unpackerPath: UNPACKER, clock, logger });
  const transfer = new RegistryTransfer(images.catalog, { settings: config.registries, environment: process.env, clock, stallMs: REGISTRY_STALL_MS });
  const volumes = await LocalVolumeStore.open({ folder: join(dataRoot, "volumes"), programPath: VOLUME_PROGRAM, clock, logger });
  await using runtime = await LocalRuntime.open({
    dataRoot,
    execRoot,
    ownerId,
    images,
    volumes,
    shimPath: SHIM,
    cgroupParent: config.cgroupParent || "swarm",
    realtime: config.realtime,
    hostGateway: new AddressPool(config.bridgeSubnet).gateway,
    runtimes: config.runtimes,
    userRemap,
    sendDatagram: (path, data) => life.kernel.sendDatagram(path, data),
    killGroup: (path) => life.kernel.killGroup(path),
    defaultLog: config.log,
    logger,
    clock,
  });
  const live = await loadLiveEndpoints({ folder: join(dataRoot, "agent", "tasks"), runtime, logger });
  await using network = new LocalHostNetwork({ ownerId, subnet: config.bridgeSubnet, kernel: life.kernel, logger });
  await network.start(live);
  await using engine = new Engine({ runtime, network, volumes, images, clock, logger, healthRecords: new HealthFolder(join(dataRoot, "health")) });
  await engine.health.resume();
  const describe = (identity: LiveIdentity) =>
    describeNode({ engineVersion: VERSION, labels: labelsOf(config.labels), tlsInfo: tlsInfoOf(identity.credentials) });
  const swarm = new SwarmNode({
    dataRoot,
    runtime,
    images,
    transfer,
    network,
    health: engine.health,
    liveEndpoints: () => engine.liveEndpoints(),
    describe,
    clock,
    random,
    logger,
    onFailure: life.onFailure,
  });
  const metrics = new Metrics(metricsSource(swarm, runtime, clock));
  const host = describeHost(config, { id, userRemap, startedAtMs: clock.now(), bridge: network.description });
  const backend: Backend = {
    swarm,
    containers: runtime,
    engine,
    volumes,
    images,
    transfer,
    host,
    publishedPorts: (containerId) => network.publishedPorts(containerId),
    metrics: () => metrics.render(),
  };
  await using server = createHttpServer({ backend, logger, clock });
  await swarm.start();
  await engine.resume();
  for (const options of await listenersOf(config)) await server.listen(options);
  optimiseSooner();
  logger.info({ version: VERSION, hosts: config.hosts, dataRoot }, "swarmd is ready");
  try {
    return await life.stopped;
  } finally {
    await server.close();
    await swarm.stop();
  }
}

function metricsSource(swarm: SwarmNode, runtime: LocalRuntime, clock: Clock): MetricsSource {
  return {
    raft() {
      if (swarm.manager === null) return null;
      const { term, commit, applied, isLeader, members } = swarm.manager.status();
      return { term, commit, applied, isLeader, members: members.length };
    },
    store: () => swarm.manager?.store.view,
    containers() {
      const all = runtime.list();
      return { running: all.filter((container) => container.state === "running").length, total: all.length };
    },
    certificates: () => (swarm.identity === null ? [] : certificateLives(swarm.identity)),
    now: () => clock.now(),
  };
}

function nativeProgram(name: string): string {
  return fileURLToPath(new URL(`../../native/build/${name}`, import.meta.url));
}

/** Names every kernel object of this daemon; several daemons may share a machine. */
function ownerIdOf(dataRoot: string): string {
  return createHash("sha256").update(dataRoot).digest("hex").slice(0, 8);
}

async function listenersOf({ hosts, tls }: DaemonConfig): Promise<readonly ListenOptions[]> {
  const pems = tls === null ? null : await readApiTls(tls);
  return hosts.map((host): ListenOptions => {
    if (host.startsWith("unix://") || pems === null) return { type: "unix", path: host.slice("unix://".length) };
    return { type: "tcp", ...parseHostPort(host.slice("tcp://".length)), tls: pems };
  });
}

function labelsOf(labels: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(labels.map((label) => [label.slice(0, label.indexOf("=")), label.slice(label.indexOf("=") + 1)]));
}

import { chmodSync, chownSync, existsSync, lstatSync, readFileSync, unlinkSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { dirname } from "node:path";
import { ClusterError, messageOf, systemCodeOf } from "../../base/errors.js";
import type { Logger } from "../../base/log.js";

/** Where the API listens. TCP only for clients that have a certificate of `ca`: the API gives full control of the machine. */
export type ListenOptions =
  | { readonly type: "unix"; readonly path: string }
  | {
      readonly type: "tcp";
      readonly host: string;
      readonly port: number;
      readonly tls: ListenTls;
      /** Default 10 s. */
      readonly handshakeTimeoutMs?: number;
    };

/** PEM texts. */
export interface ListenTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** Go clients keep a connection for 90 s; were ours shorter, they would now and then write into one that is just closing. */
const KEEP_ALIVE_TIMEOUT_MS = 120_000;
/** Who connects and then does not shake hands is let go. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const SOCKET_MODE = 0o660;
const SOCKET_GROUP = "swarm";

/** Opens one listener. Throws ClusterError `invalid_argument` that names the address when it is in use or cannot be had. */
export async function openListener(options: ListenOptions, handler: RequestListener, logger: Logger): Promise<Server> {
  const server = serverFor(options, handler);
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  // An image may take any time to come in.
  server.requestTimeout = 0;
  if (options.type === "tcp") {
    await listening(server, () => server.listen(options.port, options.host), `${options.host}:${options.port}`);
    return server;
  }
  if (!existsSync(dirname(options.path))) throw new ClusterError("invalid_argument", `cannot listen on ${options.path}: its folder does not exist`);
  await removeStaleSocket(options.path);
  await listening(server, () => server.listen(options.path), options.path);
  restrictSocket(options.path, logger);
  return server;
}

function serverFor(options: ListenOptions, handler: RequestListener): Server {
  if (options.type === "unix") return createServer(handler);
  const { ca, certificate, key } = options.tls;
  const handshakeTimeout = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const settings = { ca, cert: certificate, key, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.2" } as const;
  // A handshake that fails, or takes too long, is only told of: the connection would stay for ever.
  return createTlsServer({ ...settings, handshakeTimeout }, handler).on("tlsClientError", (_cause, socket) => socket.destroy());
}

function listening(server: Server, listen: () => void, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => {
      const reason = systemCodeOf(cause) === "EADDRINUSE" ? "it is in use" : messageOf(cause);
      reject(new ClusterError("invalid_argument", `cannot listen on ${address}: ${reason}`, { cause }));
    };
    server.once("error", onError);
    listen();
    server.once("listening", () => {
      server.off("error", onError);
      resolve();
    });
  });
}

/** A daemon that was killed leaves its socket behind. One that somebody answers on is left alone, and listening then fails. */
async function removeStaleSocket(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new ClusterError("invalid_argument", `cannot listen on ${path}: there is something that is no socket`);
  const isStale = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (cause) => resolve(systemCodeOf(cause) === "ECONNREFUSED"));
  });
  if (isStale) unlinkSync(path);
}

/** Until this is done only the owner can connect: connecting needs the right to write, which the usual umask gives to nobody else. */
function restrictSocket(path: string, logger: Logger): void {
  chmodSync(path, SOCKET_MODE);
  const group = groupIdOf(SOCKET_GROUP);
  if (group === undefined || process.getuid === undefined) return;
  try {
    chownSync(path, process.getuid(), group);
  } catch (cause) {
    logger.warn({ err: cause, path, group: SOCKET_GROUP }, "cannot give the socket to its group");
  }
}

/** Undefined when the group does not exist. */
function groupIdOf(name: string): number | undefined {
  try {
    const line = readFileSync("/etc/group", "utf8")
      .split("\n")
      .find((candidate) => candidate.startsWith(`${name}:`));
    const id = Number(line?.split(":")[2] ?? "none");
    return Number.isInteger(id) ? id : undefined;
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

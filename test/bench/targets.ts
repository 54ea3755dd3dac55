import { GrpcLane, bytesMessage } from "./grpc-lane.js";
import { HttpLane, httpRequest } from "./http-lane.js";
import type { BenchLab } from "./lab-command.js";
import type { Lane } from "./load.js";

export const MEMBERS = 3;

/** A group of three members that is measured: lanes of writes and of linearizable reads, spread over all members. */
export interface Target extends Disposable {
  readonly name: string;
  /** The first of them at member `first`, counted from 0. */
  writes(count: number, first?: number): readonly Lane[];
  reads(count: number): readonly Lane[];
  /** The member that leads, counted from 0. Throws when none does. */
  leader(): Promise<number>;
}

/** The object that is read. */
const READ_NAME = "bench-read";

let created = 0;

/** A small object as a client would send it; every write makes a new one, with a name that was not used before. */
export function nextSpec(name = `bench-${process.pid}-${++created}`): { readonly name: string; readonly text: string } {
  const spec = { Name: name, Labels: { bench: "1" }, TaskTemplate: { ContainerSpec: { Image: "none:none" } }, Mode: { Replicated: { Replicas: 0 } } };
  return { name, text: JSON.stringify(spec) };
}

export async function socketsOf(lab: BenchLab): Promise<readonly string[]> {
  return Promise.all(Array.from({ length: MEMBERS }, async (_, index) => (await lab.verb("socket", String(index + 1))).replace("unix://", "")));
}

/** Requests over connections of their own; anything but success rejects. */
class HttpLanes implements Disposable {
  readonly #sockets: readonly string[];
  readonly #open: HttpLane[] = [];

  constructor(sockets: readonly string[]) {
    this.#sockets = sockets;
  }

  lanes(count: number, request: () => string, first = 0): readonly Lane[] {
    return Array.from({ length: count }, (_, index) => {
      const socket = this.#sockets[(first + index) % this.#sockets.length] ?? "";
      const lane = new HttpLane(socket);
      this.#open.push(lane);
      return async () => {
        const { status, body } = await lane.request(request());
        if (status >= 300) throw new Error(`${socket} answered ${status} ${body}`);
      };
    });
  }

  [Symbol.dispose](): void {
    for (const lane of this.#open) lane[Symbol.dispose]();
  }
}

/** Our HTTP API: a write creates a service without replicas, a read shows one. */
export async function ourTarget(sockets: readonly string[]): Promise<Target> {
  const http = new HttpLanes(sockets);
  for (const socket of sockets) {
    using lane = new HttpLane(socket);
    const { status, body } = await lane.request(httpRequest("POST", "/services/create", nextSpec(READ_NAME).text));
    // Through the first member it came to all of them.
    if (status !== 201 && status !== 409) throw new Error(`${socket} answered ${status} ${body}`);
  }
  const read = httpRequest("GET", `/services/${READ_NAME}`);
  return {
    name: "swarmd",
    writes: (count, first) => http.lanes(count, () => httpRequest("POST", "/services/create", nextSpec().text), first),
    reads: (count) => http.lanes(count, () => read),
    leader: () => leaderAmong(sockets, httpRequest("GET", "/metrics"), (body) => /^swarm_raft_leader 1$/m.test(body)),
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

export function etcdPut(): string {
  const { name, text } = nextSpec();
  return httpRequest("POST", "/v3/kv/put", JSON.stringify({ key: base64(name), value: base64(text) }));
}

/** etcd's JSON API: the same kind of client and the same bytes as ours. */
export function etcdHttpTarget(sockets: readonly string[]): Target {
  const http = new HttpLanes(sockets);
  const read = httpRequest("POST", "/v3/kv/range", JSON.stringify({ key: base64("absent") }));
  return {
    name: "etcd, HTTP",
    writes: (count, first) => http.lanes(count, etcdPut, first),
    reads: (count) => http.lanes(count, () => read),
    leader: () => etcdLeader(sockets),
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}

/** etcd's own protocol, one connection to each member: the fastest way into it. */
export function etcdGrpcTarget(sockets: readonly string[]): Target {
  const connections = sockets.map((socket) => new GrpcLane(socket));
  const lanes = (count: number, path: string, message: () => Uint8Array, first = 0): readonly Lane[] =>
    Array.from({ length: count }, (_, index) => async () => connections[(first + index) % connections.length]?.call(path, message()));
  return {
    name: "etcd, gRPC",
    writes: (count, first) =>
      lanes(
        count,
        "/etcdserverpb.KV/Put",
        () => {
          const { name, text } = nextSpec();
          return bytesMessage(name, text);
        },
        first,
      ),
    reads: (count) => lanes(count, "/etcdserverpb.KV/Range", () => bytesMessage("absent")),
    leader: () => etcdLeader(sockets),
    [Symbol.dispose]: () => {
      for (const connection of connections) connection[Symbol.dispose]();
    },
  };
}

interface EtcdStatus {
  readonly leader: string;
  readonly header: { readonly member_id: string };
}

const etcdLeader = (sockets: readonly string[]) =>
  leaderAmong(sockets, httpRequest("POST", "/v3/maintenance/status", "{}"), (body) => {
    const { leader, header } = JSON.parse(body) as EtcdStatus;
    return leader === header.member_id;
  });

async function leaderAmong(sockets: readonly string[], request: string, leads: (body: string) => boolean): Promise<number> {
  for (const [member, socket] of sockets.entries()) {
    using lane = new HttpLane(socket);
    const { status, body } = await lane.request(request);
    if (status === 200 && leads(body)) return member;
  }
  throw new Error(`none of ${sockets.join(", ")} leads`);
}

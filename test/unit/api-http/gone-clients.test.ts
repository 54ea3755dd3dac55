import { mkdtemp, rm } from "node:fs/promises";
import { type ClientRequest, get, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { afterEach, beforeEach, test } from "vitest";
import { deferred } from "../../../src/base/deferred.js";
import type { ExecProcess } from "../../../src/runtime/container-runtime.js";
import { containerConfig } from "../../support/container-config.js";
import { until } from "../../support/until.js";
import { activeFixture, type Fixture } from "./server-fixture.js";

/** Clients that go away before what they asked for has begun, and programs whose streams break. */
let fixture: Fixture;
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gone-clients-"));
  fixture = await activeFixture();
  path = await fixture.server.listen({ type: "unix", path: join(folder, "api.sock") });
});

afterEach(async () => {
  await fixture.server.close();
  await rm(folder, { recursive: true });
});

/** Goes away; the server has seen it when it answers a request that was made after it. */
async function goAway(client: ClientRequest): Promise<void> {
  const closed = new Promise((resolve) => client.once("close", resolve).on("error", () => undefined));
  client.destroy();
  await closed;
  await new Promise((resolve, reject) => {
    get({ socketPath: path, path: "/_ping", agent: false }, (answer) => answer.resume().once("end", resolve)).once("error", reject);
  });
}

/** The start of a program, over a connection that stays HTTP; it starts when the test says so. */
async function startOfProgram() {
  const { backend, call } = fixture;
  await backend.containers.create(containerConfig("a".repeat(64), "one"));
  await backend.containers.start("a".repeat(64));
  const [asked, started, ended] = [deferred<void>(), deferred<ExecProcess>(), deferred<number>()];
  backend.containers.exec = () => {
    asked.resolve();
    return started.promise;
  };
  const { json } = await call("POST", "/containers/one/exec", { Cmd: ["true"], AttachStdout: true });
  const client = request({ socketPath: path, path: `/exec/${json.Id}/start`, method: "POST", headers: { "content-type": "application/json" } });
  client.end("{}");
  await asked.promise;
  const stream = new Duplex({ read: () => undefined, write: (_part, _encoding, done) => done() });
  const start = () => started.resolve({ pid: 1, stream, ended: ended.promise, resize: async () => {}, kill: async () => {}, discard: async () => {} });
  return { client, stream, start };
}

test("a program that starts after its client has gone is left", async () => {
  const { client, stream, start } = await startOfProgram();
  await goAway(client);
  start();
  await until("the program's stream is closed", () => stream.destroyed);
});

test("a program whose stream breaks ends the client's answer", async () => {
  const { client, stream, start } = await startOfProgram();
  let text = "";
  let isEnded = false;
  client.once("response", (answer) => {
    answer.on("data", (chunk) => {
      text += chunk;
    });
    answer.once("end", () => {
      isEnded = true;
    });
  });
  start();
  stream.push("said");
  await until("the client has what was said", () => text === "said");
  stream.destroy();
  await until("the answer has ended", () => isEnded);
});

test("events are not followed for a client that went while the swarm was asked", async () => {
  const { swarm } = fixture.backend;
  const [view, asked, answered] = [await swarm.read(), deferred<void>(), deferred<void>()];
  swarm.read = async () => {
    asked.resolve();
    await answered.promise;
    return view;
  };
  let signal: AbortSignal | undefined;
  const { events } = fixture.backend.engine;
  const follow = events.follow.bind(events);
  events.follow = (until) => {
    signal = until;
    return follow(until);
  };
  const client = request({ socketPath: path, path: "/events?revision=1" });
  client.end();
  await asked.promise;
  await goAway(client);
  answered.resolve();
  await until("nothing is followed", () => signal?.aborted === true);
});

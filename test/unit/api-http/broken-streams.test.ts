import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deferred } from "../../../src/base/deferred.js";
import { containerConfig } from "../../support/container-config.js";
import { until } from "../../support/until.js";
import { activeFixture, type Fixture } from "./server-fixture.js";

/** Answers that are not whole do not end as whole ones do. */
let fixture: Fixture;
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "broken-streams-"));
  fixture = await activeFixture();
  path = await fixture.server.listen({ type: "unix", path: join(folder, "api.sock") });
});

afterEach(async () => {
  await fixture.server.close();
  await rm(folder, { recursive: true });
});

/** What came, and whether the answer ended as a whole one does. `onData` hears of each part. */
async function ask(
  method: string,
  url: string,
  body?: object,
  onData: () => void = () => undefined,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: path, path: url, method, headers: { "content-type": "application/json" } }, (answer) => {
      let text = "";
      answer.on("data", (part) => {
        text += part;
        onData();
      });
      answer.on("error", () => undefined);
      answer.on("close", () => resolve({ text, isWhole: answer.complete }));
    });
    call.on("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function backupOf(chunks: () => AsyncGenerator<Buffer>): void {
  fixture.backend.swarm.backup = async () => chunks();
}

test("a backup that fails in the middle is not taken for a whole one", async () => {
  backupOf(async function* () {
    yield Buffer.from("half");
    throw new Error("the state is gone");
  });
  expect(await ask("POST", "/swarm/backup", { Passphrase: "p" })).toEqual({ text: "half", isWhole: false });
  backupOf(async function* () {
    yield Buffer.from("half");
    yield Buffer.from("half");
  });
  expect(await ask("POST", "/swarm/backup", { Passphrase: "p" })).toEqual({ text: "halfhalf", isWhole: true });
});

test("a daemon that stops breaks a backup off", async () => {
  const rest = deferred<Buffer>();
  backupOf(async function* () {
    yield Buffer.from("half");
    yield await rest.promise;
  });
  let closing: Promise<void> | undefined;
  const asked = ask("POST", "/swarm/backup", { Passphrase: "p" }, () => {
    closing = fixture.server.close();
    rest.resolve(Buffer.from("half"));
  });
  expect(await asked).toEqual({ text: "half", isWhole: false });
  await closing;
});

test("events that were lost are not told by a stream that ends well", async () => {
  const { store, engine } = fixture.backend;
  const asked = ask("GET", "/events", undefined, () => store.restore([...store.objects()], store.revision + 50));
  await until("they are followed", () => engine.events.listenerCount === 1);
  engine.events.tell({ type: "container", action: "start", id: "one", attributes: {}, timeMs: 1 });
  expect(await asked).toEqual({ text: expect.stringContaining('"one"'), isWhole: false });
});

test("what a container uses is told until it is removed, also while it is looked at", async () => {
  const { containers } = fixture.backend;
  const id = "a".repeat(64);
  await containers.create(containerConfig(id, "one"));
  await containers.start(id);
  const usage = containers.usage.bind(containers);
  const asked = ask("GET", "/containers/one/stats", undefined, () => {
    containers.usage = async () => {
      await containers.kill(id, "SIGKILL");
      await containers.remove(id);
      return await usage();
    };
  });
  expect(await asked).toEqual({ text: expect.stringContaining("cpu_stats"), isWhole: true });
});

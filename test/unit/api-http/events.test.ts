import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import type { Secret, Service, StoreObject } from "../../../src/model/objects.js";
import { until } from "../../support/until.js";
import { activeFixture, type Fixture, inactiveFixture, serviceBody } from "./server-fixture.js";

interface Event {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: string;
  readonly time: number;
  readonly timeNano: number;
  readonly revision: number;
}

let fixture: Fixture;
beforeEach(async () => {
  fixture = await activeFixture();
});
afterEach(() => fixture.server.close());

const events = (text: string): readonly Event[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Event);
const brief = ({ Type, Action, Actor }: Event) => [Type, Action, Actor.Attributes.name].join(" ");
/** The fake clock's present lies in the past of the server's. */
const EPOCH = 1_700_000_000;
const past = async (query = "", window = `since=1&until=${EPOCH + 1_000}`) => {
  const answer = await fixture.call("GET", `/events?${window}&${query}`);
  expect(answer.status, answer.text).toBe(200);
  return events(answer.text);
};
const filtered = async (filters: object) => (await past(`filters=${encodeURIComponent(JSON.stringify(filters))}`)).map(brief);

/** Runs a service through its life. */
async function live(name: string): Promise<void> {
  const { json } = await fixture.call("POST", "/services/create", serviceBody(name, { Mode: { Replicated: { Replicas: 1 } } }));
  const { store } = fixture.backend;
  const versionOf = () => store.view.services.get(json.ID)!.meta!.version;
  const next = serviceBody(name, { Mode: { Replicated: { Replicas: 3 } }, TaskTemplate: { ContainerSpec: { Image: "bb:v2" } } });
  await fixture.call("POST", `/services/${json.ID}/update?version=${versionOf()}`, next);
  await store.update((tx) => {
    const service = tx.services.get(json.ID)!;
    const updateStatus: Service["updateStatus"] = { state: "rollback_started", startedAtMs: 1, completedAtMs: 0, message: "" };
    tx.update("service", { ...service, updateStatus });
  });
  await fixture.call("DELETE", `/services/${json.ID}`);
}

describe("what happened", () => {
  test("to a service: made, changed, removed, with what changed", async () => {
    await live("web");
    const found = await past("", `since=${EPOCH}&until=${EPOCH + 10}`);
    const web = found.filter((event) => event.Actor.Attributes.name === "web");
    expect(web.map(({ Action }) => Action)).toEqual(["create", "update", "update", "remove"]);
    expect(web[1]?.Actor.Attributes).toEqual({ name: "web", "image.old": "bb:v1", "image.new": "bb:v2", "replicas.old": "1", "replicas.new": "3" });
    expect(web[2]?.Actor.Attributes).toMatchObject({ "updatestate.old": "", "updatestate.new": "rollback_started" });
    expect(web[0]).toMatchObject({ Type: "service", scope: "swarm", time: EPOCH, timeNano: EPOCH * 1e9 });
    expect(web[0]?.Actor.ID).toMatch(/^[0-9a-z]{25}$/);
  });

  test("to a node", async () => {
    const { store } = fixture.backend;
    const [node] = [...store.view.nodes.all()];
    await store.update((tx) => {
      tx.update("node", { ...node!, spec: { ...node!.spec!, availability: "drain" }, role: "worker", status: { ...node!.status!, state: "down" } });
    });
    expect((await past()).at(-1)?.Actor.Attributes).toEqual({
      name: "node-1",
      "availability.old": "active",
      "availability.new": "drain",
      "role.old": "manager",
      "role.new": "worker",
      "state.old": "ready",
      "state.new": "down",
    });
  });

  test("to a secret, without what is in it; tasks are no events", async () => {
    const secret: Secret = { id: "s", meta: null, spec: { name: "pass", labels: {}, data: Buffer.from("word"), driver: null, templating: null } };
    await fixture.backend.store.update((tx) => tx.create("secret", secret) as undefined);
    const found = await past();
    expect(found.map(brief)).toEqual(["node create node-1", "secret create pass"]);
    expect(JSON.stringify(found)).not.toContain("word");
  });

  test("is told from since to until, and not at all without them", async () => {
    fixture.backend.clock.advance(5_000);
    await live("web");
    expect(await past("", `since=${EPOCH + 1}&until=${EPOCH + 4}`)).toEqual([]);
    expect((await past("", `since=${EPOCH + 4}.5&until=${EPOCH + 6}`)).map(brief)[0]).toBe("service create web");
    expect((await past("", `until=${EPOCH + 1}`)).map(brief)).toEqual(["node create node-1"]);
  });

  test.each([
    [{ type: { service: true } }, ["service create web", "service update web", "service update web", "service remove web"]],
    [{ event: ["remove"] }, ["service remove web"]],
    [{ service: ["we"], event: ["create"] }, ["service create web"]],
    [{ node: ["node-1"] }, ["node create node-1"]],
    [{ scope: ["local"] }, []],
    [{ scope: ["swarm"], event: { create: true } }, ["node create node-1", "service create web"]],
    [{ label: ["name=web"], event: ["create"] }, ["service create web"]],
    [{ event: ["exec_create"] }, []],
    [{ image: ["bb"] }, []],
  ])("is filtered by %j", async (filters, expected) => {
    await live("web");
    expect(await filtered(filters)).toEqual(expected);
  });
});

test.each([
  ["filters=%7B%22colour%22%3A%5B%22red%22%5D%7D", "invalid filter 'colour'"],
  ["since=20&until=10", "since (20) cannot be after until (10)"],
  ["since=yesterday", 'invalid value for since: "yesterday" is not a timestamp'],
  ["revision=x", "invalid revision 'x'"],
  ["revision=5&since=3", "since and revision cannot both be given"],
  ["revision=99999", "there is no revision 99999 yet"],
])("a question that makes no sense is refused: %s", async (query, text) => {
  expect(await fixture.call("GET", `/events?${query}`)).toMatchObject({ status: 400, json: { message: expect.stringContaining(text) } });
});

describe("what happens next", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "api-http-"));
    await fixture.server.listen({ type: "unix", path: join(folder, "api.sock") });
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Resolves once the headers are there. `isRead` false leaves the rest unread until `read` is called. */
  function open(query: string, { isRead = true } = {}) {
    const stop = new AbortController();
    const stream = { text: "", isOver: false, stop: () => stop.abort(), read: (): void => undefined };
    return new Promise<typeof stream>((resolve, reject) => {
      const call = request({ socketPath: join(folder, "api.sock"), path: `/events?${query}`, signal: stop.signal }, (response) => {
        stream.read = () => void response.resume();
        response.on("data", (chunk: Buffer) => {
          stream.text += chunk.toString();
        });
        response.on("error", () => undefined);
        response.on("close", () => {
          stream.isOver = true;
        });
        if (!isRead) response.pause();
        resolve(stream);
      });
      call.on("error", reject);
      call.end();
    });
  }

  test("comes as it happens", async () => {
    const stream = await open("");
    await live("web");
    await until("all is told", () => events(stream.text).length === 4);
    expect(events(stream.text).map(brief)[0]).toBe("service create web");
    stream.stop();
  });

  test("ends at the time that was asked for", async () => {
    const stream = await open(`until=${(Date.now() / 1000 + 0.5).toFixed(3)}`);
    await until("the stream ends by itself", () => stream.isOver);
  });

  test("is gone on with from the revision of an event", async () => {
    const first = await open("");
    await live("one");
    await until("all is told", () => events(first.text).length === 4);
    first.stop();
    const [, second] = events(first.text);
    await live("two");
    const again = await open(`revision=${second?.revision}`);
    await until("what was missed is told", () => events(again.text).length === 6);
    expect(events(again.text).map(brief)).toEqual([
      "service update one",
      "service remove one",
      "service create two",
      "service update two",
      "service update two",
      "service remove two",
    ]);
    again.stop();
    const answer = await fixture.call("GET", `/events?revision=${second?.revision}&until=${EPOCH + 1_000}`);
    expect(events(answer.text).length).toBe(6);
  });

  test("cannot be gone on with when a snapshot came between", async () => {
    const { store } = fixture.backend;
    const objects: readonly StoreObject[] = [...store.objects()];
    const [revision, stream] = [store.revision, await open("")];
    store.restore(objects, revision + 50);
    await until("the stream ends", () => stream.isOver);
    expect(await fixture.call("GET", `/events?revision=${revision}`)).toMatchObject({
      status: 400,
      json: { message: `revision ${revision} is too old: changes are kept from revision ${revision + 50} on; list again` },
    });
  });

  /** Of a kilobyte each, so that many have no room in the buffers of a connection. */
  function tellOfContainers(from: number, count: number): void {
    const attributes = { filler: "x".repeat(1_000) };
    for (let at = from; at < from + count; at++)
      fixture.backend.engine.events.tell({ type: "container", action: "start", id: `${at}`, attributes, timeMs: at });
  }
  const linesOf = (text: string) => text.split("\n").length - 1;

  test("a stream that fell behind before its end follows nothing any more", async () => {
    const { store, engine } = fixture.backend;
    const stream = await open(`until=${Math.floor(Date.now() / 1000) + 1_000}`);
    expect(engine.events.listenerCount).toBe(1);
    store.restore([...store.objects()], store.revision + 50);
    await until("the stream ends", () => stream.isOver);
    expect(engine.events.listenerCount).toBe(0);
  });

  test("a client that does not read for long is told without a gap what happened first on the host, and then no more", async () => {
    const [idle, reader] = [await open("", { isRead: false }), await open("")];
    for (let from = 0; from < 8_000; from += 2_000) {
      tellOfContainers(from, 2_000);
      await until("the client that reads has them", () => linesOf(reader.text) === from + 2_000);
    }
    expect(idle.isOver).toBe(false);
    idle.read();
    await until("its stream ends", () => idle.isOver, 10);
    const told = linesOf(idle.text);
    expect(told).toBeLessThan(8_000 - 4_096);
    expect(idle.text).toBe(reader.text.split("\n").slice(0, told).join("\n").concat("\n"));
    reader.stop();
  });

  test("what happens on the host while the past is told is not left out", async () => {
    tellOfContainers(EPOCH * 1_000, 200);
    const stream = await open("since=1", { isRead: false });
    tellOfContainers(EPOCH * 1_000 + 200, 5);
    stream.read();
    await until("all is told", () => linesOf(stream.text) >= 206, 10);
    expect(
      events(stream.text)
        .map(({ Actor }) => Actor.ID)
        .slice(-205),
    ).toEqual(Array.from({ length: 205 }, (_, at) => `${EPOCH * 1_000 + at}`));
    stream.stop();
  });

  test("a manager without a leader cannot say whether it knows a revision", async () => {
    fixture.backend.readError = new ClusterError("no_leader", "none");
    expect((await fixture.call("GET", "/events?revision=1")).status).toBe(503);
  });
});

test("a node that is no manager has no events of the swarm, and an open stream all the same", async () => {
  const { call } = await inactiveFixture();
  expect(await call("GET", "/events?since=1&until=2")).toMatchObject({ status: 200, text: "" });
  expect((await call("GET", "/events?revision=1")).status).toBe(503);
});

test("a stream that was opened before the swarm was founded hears of it", async () => {
  fixture = await inactiveFixture();
  const stop = new AbortController();
  const answer = await fixture.server.app.inject({ method: "GET", url: "/events", payloadAsStream: true, signal: stop.signal });
  let text = "";
  answer.stream().on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await fixture.call("POST", "/swarm/init", {});
  await live("web");
  await until("all is told", () => events(text).length === 4);
  expect(events(text).map(brief)[0]).toBe("service create web");
  stop.abort();
});

import { describe, expect, test } from "vitest";
import { mergePatch } from "../../../src/api/http/merge-patch.js";
import { activeFixture, serviceBody } from "./server-fixture.js";

// Examples of RFC 7396, appendix A.
test.each([
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ a: "foo" }, null, null],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  [{}, JSON.parse('{"__proto__":{"polluted":1}}'), JSON.parse('{"__proto__":{"polluted":1}}')],
])("%j with %j is %j", (value, patch, merged) => expect(mergePatch(value, patch)).toEqual(merged));

describe("PATCH", () => {
  const made = async () => {
    const fixture = await activeFixture();
    const delay = 9_007_200_000_000_001n; // Beyond 2^53.
    const body = JSON.stringify(serviceBody("web", { Labels: { a: "1" } })).replace('"ContainerSpec"', `"RestartPolicy":{"Delay":${delay}},"ContainerSpec"`);
    const { json } = await fixture.call("POST", "/services/create", body);
    const spec = () => fixture.backend.store.view.services.get(json.ID)!.spec!;
    const version = () => fixture.backend.store.view.services.get(json.ID)!.meta!.version;
    return { ...fixture, spec, version, id: json.ID as string };
  };

  test("of a service changes what it names and keeps the rest, integers beyond 2^53 too", async () => {
    const { call, spec } = await made();
    const before = spec();
    expect(await call("PATCH", "/services/web", { Labels: { b: "2" }, Mode: { Replicated: { Replicas: 3 } } })).toMatchObject({
      status: 200,
      json: { Warnings: null },
    });
    expect(spec()).toEqual({ ...before, labels: { a: "1", b: "2" }, mode: { type: "replicated", replicated: { replicas: 3 } } });
    expect((await call("PATCH", "/v1.24/services/web", { Labels: { a: null } })).status).toBe(200);
    expect(spec().labels).toEqual({ b: "2" });
    expect(spec().task).toEqual(before.task);
  });

  test.each([1, 20])("is said of what the spec is by then: %i others wrote in between, one after the other", async (others) => {
    const { call, spec, backend } = await made();
    const { write } = backend.swarm;
    let left = others;
    Object.assign(backend.swarm, {
      write: async (request: Parameters<typeof write>[0]) => {
        const object = request.type === "updateService" ? request.updateService : undefined;
        if (object?.spec?.labels.ours !== undefined && left-- > 0) {
          const { meta, spec: now } = backend.store.view.services.get(object.serviceId)!;
          const theirs = { ...now!, labels: { ...now!.labels, [`theirs${left}`]: "1" } };
          await write({ type: "updateService", updateService: { ...object, version: meta!.version, spec: theirs } });
        }
        return await write(request);
      },
    });
    expect((await call("PATCH", "/services/web", { Labels: { ours: "1" } })).status).toBe(200);
    expect(Object.keys(spec().labels)).toHaveLength(others + 2);
    left = others;
    expect(await call("PATCH", `/services/web?version=1`, { Labels: { ours: "2" } })).toMatchObject({ status: 500 });
    expect(left).toBe(others - 1);
  });

  test("of a node changes what it names", async () => {
    const { call, backend } = await made();
    const [node] = [...backend.store.view.nodes.all()];
    expect((await call("PATCH", `/nodes/${node!.id}`, { Labels: { zone: "a" } })).status).toBe(200);
    expect(backend.store.view.nodes.get(node!.id)!.spec).toEqual({ ...node!.spec, labels: { ...node!.spec!.labels, zone: "a" } });
  });

  test("of the swarm changes a setting alone", async () => {
    const { call, backend } = await made();
    const before = backend.store.view.cluster!.spec!;
    expect((await call("PATCH", "/swarm", { Raft: { ElectionTick: 20 } })).status).toBe(200);
    expect(backend.store.view.cluster!.spec).toEqual({ ...before, raft: { ...before.raft, electionTick: 20 } });
  });

  test("with a version is refused when the object is another by then, as an update", async () => {
    const { call, spec, version } = await made();
    const seen = version();
    expect((await call("PATCH", `/services/web?version=${seen}`, { Labels: { b: "2" } })).status).toBe(200);
    const stale = await call("PATCH", `/services/web?version=${seen}`, { Labels: { c: "3" } });
    expect(stale).toMatchObject({ status: 500, json: { message: expect.stringMatching(/update out of sequence: version \d+ was given/) } });
    expect(spec().labels).toEqual({ a: "1", b: "2" });
  });

  test.each([
    ["/services/web", [], 400, /a patch must be an object/],
    ["/services/web", { Labels: 5 }, 400, /Labels/],
    ["/services/web", { Name: "other" }, 501, /renaming services is not supported/],
    ["/services/web", { Frobnicate: 1 }, 501, /Frobnicate/],
    ["/services/nosuch", {}, 404, /service nosuch not found/],
    ["/nodes/nosuch", {}, 404, /node nosuch not found/],
    ["/swarm", { Name: "other" }, 400, /must be named "default"/],
    ["/swarm?version=x", {}, 400, /invalid swarm version 'x'/],
  ])("%s with %j is %i", async (path, patch, status, message) => {
    const { call, spec } = await made();
    const before = spec();
    expect(await call("PATCH", path, patch)).toMatchObject({ status, json: { message: expect.stringMatching(message) } });
    expect(spec()).toEqual(before);
  });
});

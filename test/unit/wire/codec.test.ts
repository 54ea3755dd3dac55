import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ServiceMode, TaskStatus } from "../../../src/model/objects.js";
import { ContainerSpecCodec, ServiceModeCodec, TaskSpecCodec, TaskStatusCodec, UpdateConfigCodec } from "../../../src/wire/generated/objects.js";
import { RaftMessageCodec } from "../../../src/wire/generated/raft.js";
import type { RaftMessage } from "../../../src/raft/message.js";

const status: TaskStatus = {
  state: "running",
  timestampMs: 1_700_000_000_000,
  message: "started",
  error: "",
  container: { containerId: "c", pid: 12, exitCode: -1 },
  ports: [{ name: "", protocol: "udp", targetPort: 53, publishedPort: 5353, publishMode: "host" }],
  appliedBy: "n",
  appliedAtMs: 5,
};

describe("generated codecs", () => {
  test("give back what they were given", () => expect(TaskStatusCodec.decode(TaskStatusCodec.encode(status))).toEqual(status));

  test("keep absent apart from empty", () => {
    const empty = TaskSpecCodec.decode(new Uint8Array());
    expect(empty).toMatchObject({ container: null, resources: null, networks: [], forceUpdate: 0 });
    const withRestart = TaskSpecCodec.decode(TaskSpecCodec.encode({ ...empty, restart: { condition: "any", maxAttempts: 0, windowNs: 0n } }));
    expect(withRestart.restart).toEqual({ condition: "any", maxAttempts: 0, windowNs: 0n });
    const withDelay = TaskSpecCodec.decode(TaskSpecCodec.encode({ ...empty, restart: { condition: "any", delayNs: 0n, maxAttempts: 0, windowNs: 0n } }));
    expect(withDelay.restart).toEqual({ condition: "any", delayNs: 0n, maxAttempts: 0, windowNs: 0n });
  });

  test("share what is empty, so that nobody can fill it", () => {
    const [one, other] = [TaskStatusCodec.decode(new Uint8Array()), TaskSpecCodec.decode(new Uint8Array())];
    expect(one.ports).toBe(other.networks);
    expect(Object.isFrozen(one.ports)).toBe(true);
    const labels = ContainerSpecCodec.decode(new Uint8Array()).labels;
    expect(Object.isFrozen(labels)).toBe(true);
    const filled = ContainerSpecCodec.decode(
      ContainerSpecCodec.encode({ ...ContainerSpecCodec.decode(new Uint8Array()), labels: { a: "1", b: "2" }, env: ["A=1", "B=2"] }),
    );
    expect(filled).toMatchObject({ labels: { a: "1", b: "2" }, env: ["A=1", "B=2"] });
    expect(labels).toEqual({});
  });

  test("keep 64-bit integers exact", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (delayNs) => {
        const config = UpdateConfigCodec.decode(
          UpdateConfigCodec.encode({ parallelism: 1, delayNs, failureAction: "rollback", monitorNs: 0n, maxFailureRatio: 0.25, order: "start_first" }),
        );
        expect(config).toEqual({ parallelism: 1, delayNs, failureAction: "rollback", monitorNs: 0n, maxFailureRatio: 0.25, order: "start_first" });
      }),
    );
  });

  test("refuse to round an index", () => {
    expect(() =>
      UpdateConfigCodec.encode({ parallelism: 2 ** 53, delayNs: 0n, failureAction: "pause", monitorNs: 0n, maxFailureRatio: 0, order: "stop_first" }),
    ).toThrow(/below 2\^53/);
  });

  test.each<ServiceMode>([
    { type: "replicated", replicated: { replicas: 0 } },
    { type: "global", global: {} },
    { type: "replicatedJob", replicatedJob: { maxConcurrent: 2, totalCompletions: 9 } },
  ])("tag the case of a oneof: %j", (mode) => expect(ServiceModeCodec.decode(ServiceModeCodec.encode(mode))).toEqual(mode));

  test.each([
    ["a oneof that is not set", new Uint8Array()],
    ["bytes that end early", Uint8Array.of(0x0a, 0x05, 0x08)],
  ])("refuse %s", (_name, bytes) => expect(() => ServiceModeCodec.decode(bytes)).toThrow(/malformed ServiceMode/));

  test("skip fields that they do not know", () => {
    const unknown = Uint8Array.of(0xfa, 0x3e, 0x03, 1, 2, 3);
    expect(TaskStatusCodec.decode(Buffer.concat([TaskStatusCodec.encode(status), unknown]))).toEqual(status);
  });

  test("have the shapes that the consensus core owns", () => {
    const message: RaftMessage = {
      type: "append",
      to: 1,
      from: 2 ** 53 - 1,
      term: 3,
      index: 4,
      logTerm: 5,
      commit: 6,
      reject: true,
      hintIndex: 7,
      hintTerm: 8,
      context: 9,
      forced: true,
      entries: [{ index: 5, term: 3, type: "config_change", data: Uint8Array.of(1) }],
      snapshot: { index: 1, term: 1, config: { voters: [1, 2], learners: [3], votersOutgoing: [], learnersNext: [], autoLeave: false } },
    };
    const decoded: RaftMessage = RaftMessageCodec.decode(RaftMessageCodec.encode(message));
    expect({ ...decoded, entries: decoded.entries.map((entry) => ({ ...entry, data: [...entry.data] })) }).toEqual({
      ...message,
      entries: [{ index: 5, term: 3, type: "config_change", data: [1] }],
    });
  });
});

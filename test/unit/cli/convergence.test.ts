import { describe, expect, test } from "vitest";
import { progressOf } from "../../../src/cli/convergence.js";
import type { NodeInfo, ServiceInfo, TaskInfo } from "../../../src/cli/shapes.js";

const service = (replicas: number, state?: string) =>
  ({
    ID: "s",
    Spec: { Mode: { Replicated: { Replicas: replicas } } },
    ...(state === undefined ? {} : { UpdateStatus: { State: state, Message: "" } }),
  }) as ServiceInfo;
const node = (id: string, state = "ready") => ({ ID: id, Status: { State: state } }) as NodeInfo;
const task = (state: string, more: object = {}) =>
  ({ ID: "t", NodeID: "n1", DesiredState: "running", Spec: {}, Status: { State: state, Timestamp: "2026-01-01T00:00:00Z", ...more } }) as TaskInfo;

const ended = (state: string) => ({ ...task(state), DesiredState: "shutdown" });

describe("progress", () => {
  test("is stable when as many run as are wanted", () => {
    expect(progressOf(service(2), [task("running"), task("running")], [node("n1")])).toEqual({
      running: 2,
      desired: 2,
      isStable: true,
      obstacle: "",
      ended: "no",
    });
  });

  test("is not while an update goes on", () => {
    expect(progressOf(service(1, "updating"), [task("running")], [node("n1")]).isStable).toBe(false);
  });

  test("does not count tasks of nodes that are down", () => {
    expect(progressOf(service(2), [task("running"), { ...task("running"), NodeID: "n2" }], [node("n1"), node("n2", "down")])).toMatchObject({
      running: 1,
      isStable: false,
    });
  });

  test.each([
    ["a failed task with a successor", 1, [ended("failed"), { ...task("ready"), DesiredState: "ready" }], undefined, "no"],
    ["a failed task without one", 1, [ended("failed")], undefined, "failed"],
    ["one of two that ended well", 2, [ended("complete"), task("running")], undefined, "complete"],
    ["one that was shut down for a successor to come", 1, [ended("shutdown")], undefined, "no"],
    ["while an update goes on", 1, [ended("failed")], "updating", "no"],
    ["before the first task is there", 1, [], undefined, "no"],
  ] as const)("has ended for good: %s", (_what, replicas, tasks, state, expected) => {
    expect(progressOf(service(replicas, state), tasks, [node("n1")]).ended).toBe(expected);
  });

  test("says why a task does not run", () => {
    expect(progressOf(service(1), [task("pending", { Err: "no suitable node" })], [node("n1")]).obstacle).toBe("no suitable node");
  });
});

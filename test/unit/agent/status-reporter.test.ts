import { expect, test } from "vitest";
import { StatusReporter } from "../../../src/agent/status-reporter.js";
import type { TaskState, TaskStatus } from "../../../src/model/objects.js";
import { type TaskStatusUpdate, UpdateTaskStatusRequestCodec } from "../../../src/wire/generated/dispatcher.js";
import { eventually } from "../../support/eventually.js";

const status = (state: TaskState): TaskStatus => ({ state, timestampMs: 1, message: "", error: "", container: null, ports: [], appliedBy: "", appliedAtMs: 0 });
const statesOf = (updates: readonly TaskStatusUpdate[]) => updates.map((update) => `${update.taskId} ${update.status?.state}`);

/** A manager that takes each message only when told to. */
class Wire {
  readonly messages: string[][] = [];
  #answer: { resolve(): void; reject(cause: Error): void } | null = null;
  readonly send = (updates: readonly TaskStatusUpdate[]) => {
    this.messages.push(statesOf(updates));
    return new Promise<void>((resolve, reject) => {
      this.#answer = { resolve, reject };
    });
  };
  accept(): void {
    this.#answer?.resolve();
  }
  refuse(): void {
    this.#answer?.reject(new Error("connection lost"));
  }
}

test("a status goes out at once when nothing else does; what comes meanwhile goes together, newest only", async () => {
  const [reporter, wire, stop] = [new StatusReporter(), new Wire(), new AbortController()];
  const running = reporter.run(wire.send, stop.signal);
  reporter.report("a", status("accepted"));
  await eventually("the first message", () => wire.messages.length === 1);
  reporter.report("a", status("preparing"));
  reporter.report("a", status("running"));
  reporter.report("b", status("accepted"));
  wire.accept();
  await eventually("the second message", () => wire.messages.length === 2);
  wire.accept();
  await eventually("nothing waits", () => reporter.pending === 0);
  expect(wire.messages).toEqual([["a accepted"], ["a running", "b accepted"]]);
  stop.abort();
  await running;
});

test("what was not taken waits for the next session", async () => {
  const [reporter, wire] = [new StatusReporter(), new Wire()];
  reporter.report("a", status("running"));
  const first = reporter.run(wire.send, new AbortController().signal);
  await eventually("a message", () => wire.messages.length === 1);
  reporter.report("a", status("failed"));
  wire.refuse();
  await expect(first).rejects.toThrow("connection lost");
  const stop = new AbortController();
  const second = reporter.run(wire.send, stop.signal);
  await eventually("again", () => wire.messages.length === 2);
  wire.accept();
  await eventually("nothing waits", () => reporter.pending === 0);
  expect(wire.messages[1]).toEqual(["a failed"]);
  stop.abort();
  await second;
});

test("many statuses go in several messages", async () => {
  const [reporter, wire, stop] = [new StatusReporter(), new Wire(), new AbortController()];
  for (let task = 0; task < 1_200; task++) reporter.report(`t${task}`, status("running"));
  const running = reporter.run(wire.send, stop.signal);
  for (let message = 1; message <= 3; message++) {
    await eventually("a message", () => wire.messages.length === message);
    wire.accept();
  }
  await eventually("nothing waits", () => reporter.pending === 0);
  expect(wire.messages.map((message) => message.length)).toEqual([500, 500, 200]);
  stop.abort();
  await running;
});

test("long texts are cut, and no message is larger than managers take", async () => {
  const [reporter, stop] = [new StatusReporter(), new AbortController()];
  const sizes: number[] = [];
  const texts = new Set<number>();
  for (let task = 0; task < 200; task++) reporter.report(`t${task}`, { ...status("failed"), message: "ä".repeat(2_000_000), error: "e".repeat(2_000_000) });
  const running = reporter.run(async (updates) => {
    sizes.push(UpdateTaskStatusRequestCodec.encode({ sessionId: "s", updates }).length);
    for (const update of updates) texts.add(update.status?.message.length ?? 0).add(update.status?.error.length ?? 0);
  }, stop.signal);
  await eventually("nothing waits", () => reporter.pending === 0);
  expect([...texts]).toEqual([8_192]);
  expect(Math.max(...sizes)).toBeLessThan(600_000);
  expect(sizes.length).toBeLessThan(20);
  stop.abort();
  await running;
});

test("a status that is larger than what goes together goes alone", async () => {
  const [reporter, wire, stop] = [new StatusReporter(), new Wire(), new AbortController()];
  const ports = Array.from(
    { length: 3_000 },
    (_, at) => ({ name: "", protocol: "udp", targetPort: at + 1, publishedPort: at + 1, publishMode: "host" }) as const,
  );
  reporter.report("large", { ...status("running"), ports });
  reporter.report("small", status("running"));
  const running = reporter.run(wire.send, stop.signal);
  for (const expected of [["large running"], ["small running"]]) {
    await eventually("a message", () => wire.messages.at(-1)?.[0] === expected[0]);
    expect(wire.messages.at(-1)).toEqual(expected);
    wire.accept();
  }
  await eventually("nothing waits", () => reporter.pending === 0);
  stop.abort();
  await running;
});

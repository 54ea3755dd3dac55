import { expect, test } from "vitest";
import { AssignmentSet } from "../../../../src/manager/dispatcher/assignment-set.js";
import { MESSAGE_BYTES_MAX } from "../../../../src/rpc/channel-options.js";
import { roughBytes } from "../../../../src/store/object-size.js";
import type { AssignmentsMessage } from "../../../../src/wire/generated/dispatcher.js";
import { testTask } from "../../../support/services.js";

const LARGE = Array.from({ length: 70 }, (_, at) => testTask(`t${at}`, { labels: { filler: "x".repeat(1_000_000) } }));
const idsIn = (messages: readonly AssignmentsMessage[]) =>
  messages.flatMap(({ changes }) => changes.map((change) => (change.type === "updateTask" ? change.updateTask.id : "")));

test("all tasks of a node that are larger than a message may be come in several, of which the last one says so", () => {
  expect(roughBytes(LARGE)).toBeGreaterThan(MESSAGE_BYTES_MAX);
  const set = new AssignmentSet();
  const messages = set.complete(LARGE);
  expect(idsIn(messages)).toEqual(LARGE.map(({ id }) => id));
  expect(Math.max(...messages.map(roughBytes))).toBeLessThan(MESSAGE_BYTES_MAX / 8);
  expect(messages.map(({ hasMore }) => hasMore ?? false)).toEqual(messages.map((_, at) => at < messages.length - 1));
  expect(set.incremental(LARGE.map((task) => [task.id, task]))).toEqual([]);
});

test("changes that are larger than a message may be come in several, each of which follows the one before", () => {
  const set = new AssignmentSet();
  const [first] = set.complete([]);
  expect(first).toMatchObject({ kind: "complete", changes: [] });
  const messages = set.incremental(LARGE.map((task) => [task.id, task]));
  expect(idsIn(messages)).toEqual(LARGE.map(({ id }) => id));
  expect(messages.map(({ appliesTo }) => appliesTo)).toEqual([first, ...messages].slice(0, -1).map((before) => before!.resultsIn));
});

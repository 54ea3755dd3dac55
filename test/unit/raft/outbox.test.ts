import { expect, test } from "vitest";
import type { Entry } from "../../../src/raft/message.js";
import { messageOf, Outbox } from "../../../src/raft/outbox.js";

const entry = (index: number, term: number): Entry => ({ index, term, type: "normal", data: new Uint8Array(1) });
const append = (parts: { to?: number; term?: number; index: number; logTerm: number; entries?: Entry[]; commit: number }) =>
  messageOf({ type: "append", to: 2, ...parts }, { id: 1, term: 3 });

/** What is left of these once they were sent. */
function sent(...messages: ReturnType<typeof append>[]) {
  const outbox = new Outbox();
  for (const message of messages) outbox.send(message);
  return outbox.takeImmediate().map(({ to, index, entries, commit }) => ({ to, index, entries: entries.length, commit }));
}

test("an append that tells only a commit joins the one before it that ends there; the commit is the higher one", () => {
  const first = append({ index: 4, logTerm: 2, entries: [entry(5, 3)], commit: 4 });
  expect(sent(first, append({ index: 5, logTerm: 3, commit: 5 }))).toEqual([{ to: 2, index: 4, entries: 1, commit: 5 }]);
  expect(sent(first, append({ index: 5, logTerm: 3, commit: 3 }))).toEqual([{ to: 2, index: 4, entries: 1, commit: 4 }]);
  const empty = append({ index: 5, logTerm: 3, commit: 4 });
  expect(sent(empty, append({ index: 5, logTerm: 3, commit: 5 }))).toEqual([{ to: 2, index: 5, entries: 0, commit: 5 }]);
});

test.each([
  ["another member's", append({ to: 3, index: 5, logTerm: 3, commit: 5 })],
  ["one that begins elsewhere", append({ index: 6, logTerm: 3, commit: 5 })],
  ["one after an entry of another term", append({ index: 5, logTerm: 2, commit: 5 })],
  ["one of another term", append({ term: 4, index: 5, logTerm: 3, commit: 5 })],
  ["one with entries", append({ index: 5, logTerm: 3, entries: [entry(6, 3)], commit: 5 })],
])("%s is a message of its own", (_name, message) => {
  expect(sent(append({ index: 4, logTerm: 2, entries: [entry(5, 3)], commit: 4 }), message)).toHaveLength(2);
});

test("other messages to the same member in between are no appends", () => {
  const heartbeat = messageOf({ type: "heartbeat", to: 2, commit: 4 }, { id: 1, term: 3 });
  expect(sent(append({ index: 4, logTerm: 2, entries: [entry(5, 3)], commit: 4 }), heartbeat, append({ index: 5, logTerm: 3, commit: 5 }))).toEqual([
    { to: 2, index: 4, entries: 1, commit: 5 },
    { to: 2, index: 0, entries: 0, commit: 4 },
  ]);
});

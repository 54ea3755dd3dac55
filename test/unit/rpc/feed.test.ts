import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { Feed } from "../../../src/rpc/feed.js";

const encoder = { encode: (text: string) => Buffer.from(text) };

/** A stream that takes `bytesMax` at once, and more after `release`. */
function slowStream(bytesMax: number) {
  const written: string[] = [];
  const held: (() => void)[] = [];
  const target = new Writable({
    highWaterMark: bytesMax,
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString());
      held.push(done);
    },
  });
  return { written, target, release: () => held.shift()?.() };
}

function queued() {
  const waiting: string[] = [];
  const feed = new Feed<string>(() => waiting.shift() ?? null);
  const push = (...texts: string[]) => {
    waiting.push(...texts);
    feed.wake();
  };
  return { waiting, feed, push };
}

test("what waits is written at once, and what comes up later in the moment in which it does", () => {
  const { feed, push, waiting } = queued();
  push("before");
  expect(waiting).toEqual(["before"]);
  const { target, written, release } = slowStream(100);
  feed.writeTo(target, encoder, new AbortController().signal).catch(() => undefined);
  expect(written).toEqual(["before"]);
  release();
  push("after");
  expect(written).toEqual(["before", "after"]);
});

test("nothing is asked for while the other end reads more slowly", async () => {
  const { feed, push, waiting } = queued();
  const { target, written, release } = slowStream(3);
  feed.writeTo(target, encoder, new AbortController().signal).catch(() => undefined);
  push("abc", "def", "g");
  expect(waiting).toEqual(["def", "g"]);
  const drained = new Promise<void>((resolve) => target.once("drain", resolve));
  release();
  await drained;
  expect(waiting).toEqual(["g"]);
  expect(written).toEqual(["abc", "def"]);
});

test("what the source throws is what the writing rejects with; it is not asked again", async () => {
  let asked = 0;
  const feed = new Feed<string>(() => {
    asked++;
    throw new Error("source broke");
  });
  await expect(feed.writeTo(slowStream(3).target, encoder, new AbortController().signal)).rejects.toThrow("source broke");
  feed.wake();
  expect(asked).toBe(1);
});

test("after the signal nothing is asked for", async () => {
  const { feed, push, waiting } = queued();
  const controller = new AbortController();
  const { target, written } = slowStream(100);
  const done = feed.writeTo(target, encoder, controller.signal);
  controller.abort(new Error("enough"));
  await expect(done).rejects.toThrow("enough");
  push("late");
  expect([waiting, written]).toEqual([["late"], []]);
});

import { expect, test } from "vitest";
import { FrameQueue } from "../../../src/rpc/frame-queue.js";

const message = (bytes: number) => new Uint8Array(bytes);

test("messages of one turn of the event loop share a frame, also when each comes from a callback of its own", async () => {
  const queue = new FrameQueue();
  const taken = queue.changed().then(() => queue.take());
  queue.push(message(1));
  await Promise.resolve();
  queue.push(message(2));
  expect(await taken).toEqual([message(1), message(2)]);
  expect(queue.isEmpty).toBe(true);
});

test("who waits again hears of what comes later", async () => {
  const queue = new FrameQueue();
  for (const bytes of [1, 2, 3]) {
    queue.push(message(bytes));
    await queue.changed();
    expect(queue.take()).toEqual([message(bytes)]);
  }
});

test("a frame ends before a message that has no room in it, and holds one that is larger alone", async () => {
  const queue = new FrameQueue();
  const sizes = [600 * 1024, 600 * 1024, 2 * 1024 * 1024, 1];
  for (const size of sizes) queue.push(message(size));
  expect(sizes.map(() => queue.take().map(({ length }) => length)).filter((frame) => frame.length > 0)).toEqual([
    [600 * 1024],
    [600 * 1024],
    [2 * 1024 * 1024],
    [1],
  ]);
});

test("wake is heard at once", async () => {
  const queue = new FrameQueue();
  let isAwake = false;
  const changed = queue.changed().then(() => {
    isAwake = true;
  });
  queue.wake();
  await Promise.resolve();
  expect(isAwake).toBe(true);
  await changed;
});

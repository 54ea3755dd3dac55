import { expect, test } from "vitest";
import { deferred } from "../../../src/base/deferred.js";
import { PassLoop } from "../../../src/manager/pass-loop.js";

const turns = async (count = 5) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("one pass at the start, then one for each time that somebody asked while it was idle", async () => {
  const stop = new AbortController();
  const loop = new PassLoop();
  let passes = 0;
  const ended = loop.run(async () => {
    passes++;
  }, stop.signal);
  await turns();
  expect(passes).toBe(1);
  loop.ask();
  loop.ask();
  await turns();
  expect(passes).toBe(2);
  stop.abort();
  await ended;
  loop.ask();
  await turns();
  expect(passes).toBe(2);
});

test("everything that is asked for during a pass is one more pass, after it", async () => {
  const stop = new AbortController();
  const loop = new PassLoop();
  const commits = [deferred<void>(), deferred<void>()];
  let passes = 0;
  const ended = loop.run(() => commits[passes++]?.promise ?? Promise.resolve(), stop.signal);
  await turns();
  for (let times = 0; times < 3; times++) loop.ask();
  await turns();
  expect(passes).toBe(1);
  commits[0]?.resolve();
  await turns();
  expect(passes).toBe(2);
  stop.abort();
  commits[1]?.resolve();
  await ended;
});

test("what a pass throws ends the loop", async () => {
  await expect(new PassLoop().run(() => Promise.reject(new Error("broken")), new AbortController().signal)).rejects.toThrow("broken");
});

test("a loop that is stopped before it starts makes no pass", async () => {
  let passes = 0;
  await new PassLoop().run(async () => {
    passes++;
  }, AbortSignal.abort());
  expect(passes).toBe(0);
});

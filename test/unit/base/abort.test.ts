import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { AbortScope, aborted, onAbort } from "../../../src/base/abort.js";

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;
/** Signals of AbortSignal.any that this one knows of: Node.js keeps them where only its own symbol leads. */
const dependants = (signal: AbortSignal) => {
  const symbol = Object.getOwnPropertySymbols(signal).find(({ description }) => description === "kDependantSignals");
  return symbol === undefined ? 0 : ((signal as unknown as Record<symbol, Set<unknown> | undefined>)[symbol]?.size ?? 0);
};

test("a scope aborts with the first of its signals, for its reason, and by itself", () => {
  const [one, other] = [new AbortController(), new AbortController()];
  const [scope, own] = [new AbortScope(one.signal, other.signal), new AbortScope(one.signal)];
  own.abort("done");
  expect(own.signal.reason).toBe("done");
  expect(one.signal.aborted).toBe(false);
  other.abort("over");
  one.abort("late");
  expect(scope.signal.reason).toBe("over");
  expect(new AbortScope(new AbortController().signal, other.signal).signal.reason).toBe("over");
});

test.each([
  ["is disposed of", (scope: AbortScope) => scope[Symbol.dispose]()],
  ["has aborted", (scope: AbortScope) => scope.abort()],
])("a scope that %s leaves nothing on a signal that lives on", (_, end) => {
  const [life, call] = [new AbortController(), new AbortController()];
  const scope = new AbortScope(call.signal, life.signal);
  expect([listeners(call.signal), listeners(life.signal)]).toEqual([1, 1]);
  end(scope);
  expect([listeners(call.signal), listeners(life.signal), dependants(life.signal)]).toEqual([0, 0, 0]);
});

test("once one signal has aborted, nothing is left on the others", () => {
  const [life, call] = [new AbortController(), new AbortController()];
  new AbortScope(life.signal, call.signal);
  call.abort();
  expect(listeners(life.signal)).toBe(0);
  new AbortScope(call.signal, life.signal);
  expect(listeners(life.signal)).toBe(0);
});

test("what waits for a signal is called once, at once where it has aborted", async () => {
  const stop = new AbortController();
  let calls = 0;
  onAbort(stop.signal, () => calls++);
  onAbort(stop.signal, () => calls++)();
  const waiting = aborted(stop.signal);
  stop.abort();
  await waiting;
  expect(calls).toBe(1);
  onAbort(stop.signal, () => calls++);
  await aborted(stop.signal);
  expect(calls).toBe(2);
});

import { describe, expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { HAS_BEGUN } from "../../../src/manager/control/later-part.js";
import { type WriteRoute, type WriteTarget, write } from "../../../src/node/writes.js";
import { SAID_BY_LEADER } from "../../../src/rpc/forward-stream.js";
import type { ControlReply, ControlRequest } from "../../../src/wire/generated/control.js";

const REQUEST: ControlRequest = { type: "removeService", removeService: { serviceId: "s" } };
const DONE: ControlReply = { type: "done", done: {} };

class Route implements WriteRoute {
  current: WriteTarget = { type: "none" };
  readonly #listeners = new Set<() => void>();
  why = "";
  target = () => this.current;
  whyNoLeader = () => this.why;
  onChange = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
  turnTo(target: WriteTarget): void {
    this.current = target;
    for (const listener of [...this.#listeners]) listener();
  }
}

const target = (execute: () => Promise<ControlReply>): WriteTarget => ({ type: "remote", execute });
const failing = (code: "no_leader" | "unavailable" | "outcome_unknown" | "conflict") => target(() => Promise.reject(new ClusterError(code, code)));

describe("a write", () => {
  test("waits for a leader before it is proposed", async () => {
    const route = new Route();
    const clock = new FakeClock();
    const outcome = write(REQUEST, route, clock);
    await clock.advance(1_000);
    route.turnTo(target(() => Promise.resolve(DONE)));
    expect(await outcome).toBe(DONE);
    expect(clock.pending).toBe(0);
  });

  test("is refused after 5 s without a leader, in the words that scripts look for", async () => {
    const clock = new FakeClock();
    const outcome = expect(write(REQUEST, new Route(), clock)).rejects.toMatchObject({
      code: "no_leader",
      message: expect.stringMatching(/^The swarm does not have a leader/),
    });
    await clock.advance(5_000);
    await outcome;
  });

  test("is refused with what keeps this manager from having a leader, where that is known", async () => {
    const clock = new FakeClock();
    const route = new Route();
    route.why = "This manager's certificate expired.";
    const outcome = expect(write(REQUEST, route, clock)).rejects.toMatchObject({
      message: expect.stringMatching(/^The swarm does not have a leader.* This manager's certificate expired\.$/),
      details: { why: route.why },
    });
    await clock.advance(5_000);
    await outcome;
  });

  test.each(["no_leader", "unavailable"] as const)("goes to the next leader when the first one answers %s: nothing was proposed", async (code) => {
    const route = new Route();
    const clock = new FakeClock();
    route.current = failing(code);
    const outcome = write(REQUEST, route, clock);
    await clock.advance(200);
    route.turnTo(target(() => Promise.resolve(DONE)));
    expect(await outcome).toBe(DONE);
  });

  test("is refused in the words of the leader here, when that is busy for too long", async () => {
    const route = new Route();
    const clock = new FakeClock();
    route.current = { type: "local", execute: () => Promise.reject(new ClusterError("unavailable", "100000 writes are waiting")) };
    const outcome = expect(write(REQUEST, route, clock)).rejects.toMatchObject({ code: "unavailable", message: "100000 writes are waiting" });
    await clock.advance(6_000);
    await outcome;
  });

  test("is refused in the words of a leader elsewhere too, and not when that could only not be reached", async () => {
    const clock = new FakeClock();
    const outcomeOf = (details: Record<string, string>) => {
      const route = new Route();
      route.current = target(() => Promise.reject(new ClusterError("unavailable", "100000 writes are waiting", { details })));
      return write(REQUEST, route, clock).catch((cause: ClusterError) => cause);
    };
    const outcomes = [outcomeOf({ [SAID_BY_LEADER]: "true" }), outcomeOf({})];
    await clock.advance(6_000);
    expect(await Promise.all(outcomes)).toMatchObject([{ code: "unavailable", message: "100000 writes are waiting" }, { code: "no_leader" }]);
  });

  test("that lost its leader between two of its parts is tried on the next one, and has an unknown outcome when there is none", async () => {
    const clock = new FakeClock();
    const begun = () => target(() => Promise.reject(new ClusterError("no_leader", "no_leader", { details: { [HAS_BEGUN]: "true" } })));
    const [lucky, unlucky] = [new Route(), new Route()];
    lucky.current = begun();
    unlucky.current = begun();
    const outcomes = [write(REQUEST, lucky, clock), write(REQUEST, unlucky, clock).catch((cause: ClusterError) => cause)];
    await clock.advance(10);
    unlucky.turnTo({ type: "none" });
    lucky.turnTo(target(() => Promise.resolve(DONE)));
    await clock.advance(6_000);
    expect(await Promise.all(outcomes)).toMatchObject([DONE, { code: "outcome_unknown" }]);
  });

  test.each(["local", "remote"] as const)("goes to the next leader also when the one before, %s, worked on it for 8 s", async (type) => {
    const clock = new FakeClock();
    const outcomeWith = (next: WriteTarget) => {
      const route = new Route();
      const execute = async () => {
        await clock.sleep(8_000);
        route.turnTo({ type: "none" });
        throw new ClusterError("no_leader", "leadership was lost", { details: { [SAID_BY_LEADER]: "true" } });
      };
      route.current = { type, execute };
      clock.after(12_000, () => route.turnTo(next));
      return write(REQUEST, route, clock).catch((cause: ClusterError) => cause);
    };
    const outcomes = [outcomeWith(target(() => Promise.resolve(DONE))), outcomeWith({ type: "none" })];
    await clock.advance(13_000);
    expect(await Promise.all(outcomes)).toMatchObject([DONE, { code: "no_leader" }]);
    expect(clock.pending).toBe(0);
  });

  test.each(["outcome_unknown", "conflict"] as const)("is never sent again after %s", async (code) => {
    const route = new Route();
    let calls = 0;
    route.current = target(() => {
      calls++;
      return Promise.reject(new ClusterError(code, code));
    });
    await expect(write(REQUEST, route, new FakeClock())).rejects.toMatchObject({ code });
    expect(calls).toBe(1);
  });
});

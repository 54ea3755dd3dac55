import { expect, test } from "vitest";
import { controlHandlers } from "../../../src/api/grpc/control.js";
import { Permits } from "../../../src/api/grpc/permits.js";
import { type Deferred, deferred } from "../../../src/base/deferred.js";
import {
  type ControlReply,
  type ForwardReplies,
  ForwardReplyCodec,
  type ForwardRequest,
  ForwardRequestCodec,
  type ForwardRequests,
} from "../../../src/wire/generated/control.js";
import { until } from "../../support/until.js";

const incarnation = () => ({ incarnation: "i1", formerIncarnations: [] });
const caller = { nodeId: "m2", role: "manager", address: "10.0.0.2" } as const;

const frameOf = (...requests: readonly ForwardRequest[]): ForwardRequests => ({ requests: requests.map((request) => ForwardRequestCodec.encode(request)) });
const repliesOf = ({ replies }: ForwardReplies) => replies.map((bytes) => ForwardReplyCodec.decode(bytes));

/** Requests without end, counted as they are read. */
function endless() {
  const state = { read: 0 };
  async function* requests(): AsyncGenerator<ForwardRequests> {
    for (;;) yield frameOf({ sequence: ++state.read, request: { type: "removeNode", removeNode: { nodeId: `${state.read}`, force: false } } });
  }
  return { state, requests };
}

test("a leader that is slow is not buried: reading waits for answers", async () => {
  const outcomes: Deferred<ControlReply>[] = [];
  const execute = () => {
    const outcome = deferred<ControlReply>();
    outcomes.push(outcome);
    return outcome.promise;
  };
  const controller = new AbortController();
  const { state, requests } = endless();
  const replies = controlHandlers({ control: () => ({ execute }), leaderAddress: () => "", incarnation }).forward(requests(), {
    caller,
    signal: controller.signal,
  });
  const iterator = replies[Symbol.asyncIterator]();
  const first = iterator.next();
  await until("it is held up", () => outcomes.length === 1024);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(state.read).toBeLessThanOrEqual(1025);
  outcomes[5]?.resolve({ type: "done", done: {} });
  expect(repliesOf((await first).value as ForwardReplies)).toMatchObject([{ sequence: 6 }]);
  const second = iterator.next();
  await until("one more is begun", () => outcomes.length === 1025);
  controller.abort(new Error("gone"));
  await expect(second).rejects.toThrow("gone");
});

test("an empty request is an answer too", async () => {
  async function* requests(): AsyncGenerator<ForwardRequests> {
    yield frameOf({ sequence: 1, request: null });
  }
  const replies: ForwardReplies[] = [];
  const handlers = controlHandlers({ control: () => null, leaderAddress: () => "", incarnation });
  for await (const reply of handlers.forward(requests(), { caller, signal: new AbortController().signal })) replies.push(reply);
  expect(replies.flatMap(repliesOf)).toEqual([
    { sequence: 1, reply: { type: "error", error: { code: "invalid_argument", message: "forwarded write is empty", details: {} } } },
  ]);
});

test("permits are given in the order in which they were asked for", async () => {
  const permits = new Permits(1);
  const order: number[] = [];
  await permits.acquire();
  const waiting = [1, 2].map((number) => permits.acquire().then(() => order.push(number)));
  permits.release(1);
  await waiting[0];
  expect(order).toEqual([1]);
  permits.release(1);
  await waiting[1];
  expect(order).toEqual([1, 2]);
});

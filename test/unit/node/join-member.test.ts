import { afterEach, expect, test } from "vitest";
import { controlHandlers } from "../../../src/api/grpc/control.js";
import { systemClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { joinAsMember, joinUnderNextLeader, leaveAsMember } from "../../../src/node/join-member.js";
import { type ControlReply, type ControlRequest, ControlService } from "../../../src/wire/generated/control.js";
import { Opened } from "../../support/disposables.js";
import { TestCa } from "../../support/rpc-cluster.js";

const ca = new TestCa();
const opened = new Opened();
afterEach(() => opened.close());

const PLACE: ControlReply = { type: "joinMember", joinMember: { raftId: 7, members: [], clusterId: "cluster1", incarnation: "i1" } };
/** Nobody listens there: a leader that is gone. */
const GONE = "127.0.0.1:1";

/** A manager that names a leader that is gone, as often as the test says, before it leads itself. */
async function manager(options: { readonly namesGone: number; readonly reply: () => ControlReply }) {
  const asked: ControlRequest["type"][] = [];
  let left = options.namesGone;
  const control = {
    execute(request: ControlRequest) {
      asked.push(request.type);
      return Promise.resolve().then(options.reply);
    },
  };
  const incarnation = () => ({ incarnation: "i1", formerIncarnations: [] });
  const backend = { control: () => (left-- > 0 ? null : control), leaderAddress: () => GONE, incarnation };
  const port = await opened
    .use(ca.server(ca.identity("m1")))
    .add(ControlService, controlHandlers(backend))
    .listen("127.0.0.1:0");
  return { addresses: [`127.0.0.1:${port}`], asked };
}

function askerOf(addresses: readonly string[]) {
  return { addresses, identity: ca.identity("m2"), advertiseAddress: "127.0.0.1:2", clock: systemClock, signal: new AbortController().signal };
}

test("who joins while the leader is gone is let in by the next one", async () => {
  const { addresses, asked } = await manager({ namesGone: 2, reply: () => PLACE });
  expect(await joinUnderNextLeader(askerOf(addresses))).toMatchObject({ type: "join", raftId: 7, incarnation: "i1" });
  expect(asked).toEqual(["joinMember"]);
});

test("who gives a place back while the leader is gone is heard by the next one", async () => {
  const { addresses, asked } = await manager({ namesGone: 2, reply: () => ({ type: "done", done: {} }) });
  await leaveAsMember(askerOf(addresses));
  expect(asked).toEqual(["leaveMember"]);
});

test("a write whose leader was lost is asked for again: a node has one place", async () => {
  let asked = 0;
  const reply = () => {
    if (++asked === 1) throw new ClusterError("outcome_unknown", "leadership was lost");
    return PLACE;
  };
  const { addresses } = await manager({ namesGone: 0, reply });
  expect(await joinUnderNextLeader(askerOf(addresses))).toMatchObject({ raftId: 7 });
});

test("a refusal is the answer, with its code", async () => {
  const reply = () => {
    throw new ClusterError("permission_denied", "node m2 is not a manager of this cluster");
  };
  const { addresses, asked } = await manager({ namesGone: 0, reply });
  await expect(joinUnderNextLeader(askerOf(addresses))).rejects.toMatchObject({ code: "permission_denied" });
  expect(asked).toHaveLength(1);
});

test("what the managers answered last is said when there is no next leader for long, and at once to who asks again anyway", async () => {
  const { addresses } = await manager({ namesGone: Number.POSITIVE_INFINITY, reply: () => PLACE });
  const gone = { code: "unavailable", message: expect.stringContaining(`cannot reach ${GONE}`) };
  const hasty = { ...systemClock, monotonic: () => systemClock.monotonic() * 10 };
  await expect(joinUnderNextLeader({ ...askerOf(addresses), clock: hasty })).rejects.toMatchObject(gone);
  await expect(joinAsMember(askerOf(addresses))).rejects.toMatchObject(gone);
});

test("who was a member of an incarnation before is told that it is over, and gets no place", async () => {
  const { addresses, asked } = await manager({ namesGone: 0, reply: () => PLACE });
  await expect(joinAsMember({ ...askerOf(addresses), incarnation: "i0" })).rejects.toMatchObject({ code: "failed_precondition" });
  expect(asked).toEqual([]);
  expect(await joinAsMember({ ...askerOf(addresses), incarnation: "i1" })).toMatchObject({ raftId: 7 });
});

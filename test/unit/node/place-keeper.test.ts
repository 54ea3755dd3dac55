import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { controlHandlers } from "../../../src/api/grpc/control.js";
import { FakeClock } from "../../../src/base/clock.js";
import type { ClusterError } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import type { KeptManager } from "../../../src/node/keeper-options.js";
import { PlaceKeeper } from "../../../src/node/place-keeper.js";
import { KeptSwarmState } from "../../../src/node/swarm-state.js";
import { type ControlReply, ControlService } from "../../../src/wire/generated/control.js";
import { Opened } from "../../support/disposables.js";
import { eventually } from "../../support/eventually.js";
import { TestCa } from "../../support/rpc-cluster.js";

/** Nobody listens there. */
const GONE = "127.0.0.1:1";
const PERIOD_MS = 3_000;

const ca = new TestCa();
const opened = new Opened();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "place-keeper-"));
});
afterEach(async () => {
  await opened.close();
  await rm(folder, { recursive: true });
});

/** The keeper of member 1 of incarnation i1, and a manager that leads, of i2 or of i1, whom it asks. */
async function worldOf(options: { readonly leads: "i1" | "i2"; readonly raftId?: number; readonly leader?: string }) {
  let asked = 0;
  const place: ControlReply = {
    type: "joinMember",
    joinMember: { raftId: options.raftId ?? 1, members: [], clusterId: ca.clusterId, incarnation: options.leads },
  };
  const control = {
    execute() {
      asked++;
      return Promise.resolve(place);
    },
  };
  const incarnation = () => ({ incarnation: options.leads, formerIncarnations: options.leads === "i2" ? ["i1"] : [] });
  const server = opened
    .use(ca.server(ca.identity("m9")))
    .add(ControlService, controlHandlers({ control: () => control, leaderAddress: () => "", incarnation }));
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const told: string[] = [];
  const manager: KeptManager = {
    raftId: 1,
    incarnation: "i1",
    isRemoved: false,
    // The leader is where one of the old group was, and another one of that cannot be reached.
    members: () => [address, GONE].map((at, index) => ({ nodeId: `m${index + 2}`, address: at, isLeader: false, isReachable: false })),
    leading: () => null,
    leaderAddress: () => options.leader ?? "",
    losePlace: () => void told.push("its place is lost"),
    leftBehind: (cause: ClusterError) => void told.push(cause.message),
  };
  const clock = new FakeClock(Date.now());
  const state = { listenAddress: GONE, advertiseAddress: GONE, managers: [], member: { raftId: 1, incarnation: "i1" } };
  const own = { identity: ca.identity("m1"), state: new KeptSwarmState(folder, state), manager: () => manager, clock, logger: silentLogger };
  const over = new AbortController();
  const ended = new PlaceKeeper(own).run(over.signal);
  opened.add(async () => {
    over.abort();
    await ended;
  });
  return { clock, told, asked: () => asked };
}

test("a member that hears of no leader asks, and is told that its place went to another one", async () => {
  const { clock, told, asked } = await worldOf({ leads: "i1", raftId: 7 });
  await clock.advance(PERIOD_MS);
  expect(asked()).toBe(0);
  await clock.advance(PERIOD_MS);
  await eventually("it was told", () => told.length > 0);
  expect(told).toEqual(["its place is lost"]);
});

test("a member of a cluster that was founded anew without it gets no place there, and its part is over", async () => {
  const { clock, told, asked } = await worldOf({ leads: "i2", raftId: 7 });
  await clock.advance(PERIOD_MS);
  await clock.advance(PERIOD_MS);
  await eventually("it was told", () => told.length > 0);
  expect(told).toEqual([expect.stringMatching(/^the cluster was founded anew, as incarnation i2, .*: leave it by force on this node, and join again$/)]);
  expect(asked()).toBe(0);
});

test("who hears of a leader asks nobody", async () => {
  const { clock, asked } = await worldOf({ leads: "i1", leader: "127.0.0.1:2" });
  for (let at = 0; at < 5; at++) await clock.advance(PERIOD_MS);
  expect(asked()).toBe(0);
});

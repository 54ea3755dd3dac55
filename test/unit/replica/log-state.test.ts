import { describe, expect, test } from "vitest";
import { decodeLogState, encodeLogState, type LogState } from "../../../src/replica/log-state.js";

const link = (byte: number) => new Uint8Array(16).fill(byte);
const state: LogState = {
  sequence: 2 ** 40 + 1,
  raftId: Number.MAX_SAFE_INTEGER,
  term: 7,
  vote: 0,
  commit: 41,
  last: { index: 42, term: 6, link: link(0xa0) },
  compacted: { index: 3, term: 1, link: link(1) },
  seeds: [],
};
const seeds = [{ raftId: 5, nodeId: "node", address: 'a "quoted" [::1]:2377' }];

describe.each([
  ["without seeds", state],
  ["with seeds", { ...state, seeds }],
])("a state %s", (_title, given) => {
  test("comes back as it was", () => {
    const { last, compacted, ...rest } = decodeLogState(encodeLogState(given));
    expect(rest).toEqual({ ...given, last: undefined, compacted: undefined });
    for (const [back, was] of [
      [last, given.last],
      [compacted, given.compacted],
    ] as const) {
      expect({ ...back, link: [...back.link] }).toEqual({ ...was, link: [...was.link] });
    }
  });

  test("is JSON with all its fields", () => {
    const position = ({ index, term, link: bytes }: LogState["last"]) => ({ index, term, link: Buffer.from(bytes).toString("hex") });
    expect(JSON.parse(Buffer.from(encodeLogState(given)).toString())).toEqual({
      format: 1,
      ...given,
      last: position(given.last),
      compacted: position(given.compacted),
    });
  });
});

test.each([
  ["of another format", { format: 2 }, "log state has format 2, only 1 is known"],
  ["without a term", { format: 1, sequence: 1, raftId: 1 }, "log state has no term"],
])("a state %s is refused", (_title, fields, message) => {
  expect(() => decodeLogState(Buffer.from(JSON.stringify(fields)))).toThrow(expect.objectContaining({ code: "invalid_argument", message }));
});

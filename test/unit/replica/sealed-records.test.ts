import { describe, expect, test } from "vitest";
import type { RecordPlace } from "../../../src/replica/record-codec.js";
import { SealedRecords, type SealedRecordsOptions } from "../../../src/replica/sealed-records.js";

const key = Buffer.alloc(32, 1);
const records = (changed: Partial<SealedRecordsOptions> = {}) => new SealedRecords({ keys: [key], clusterId: "cluster", nodeId: "node", ...changed });
const place: RecordPlace = { kind: "entry", index: 7, term: 3, part: 0 };
const plain = Buffer.from("what nobody else may read");

test("what was sealed is opened again: by the same process, the next one, and one that does not know the term", () => {
  const own = records();
  const sealed = own.seal(place, plain);
  expect(sealed.length).toBe(plain.length + own.overheadBytes);
  expect(Buffer.from(sealed).includes(plain)).toBe(false);
  expect(own.open(place, sealed)).toEqual(plain);
  expect(records().open(place, sealed)).toEqual(plain);
  expect(own.renewed().open({ ...place, term: null }, sealed)).toEqual(plain);
});

test("nothing is sealed the same way twice: not in a process, not by the next one, not by a subkey of its own", () => {
  const own = records();
  const all = [own.seal(place, plain), own.seal(place, plain), records().seal(place, plain), own.renewed().seal(place, plain)];
  const [saltAt, numberEnd] = [9, 49];
  expect(new Set(all.map((sealed) => Buffer.from(sealed.subarray(saltAt, numberEnd)).toString("hex"))).size).toBe(all.length);
});

test("a record that an earlier build sealed is opened", () => {
  const sealed = "AV8g91clGnv8hh0ugdo4lSV8aK0qhi7Mo1yC0vZCPTvlm3aSvFoN0fMAAAAAAAABLAAAAAAAAAADTG+N7jXOdQyb6IML7BVOk70nMuVnbyitsAgjlbSvFL4Uez3psPVJkDk=";
  expect(records().open({ ...place, index: 2 ** 40 + 7 }, Buffer.from(sealed, "base64"))).toEqual(plain);
});

test("number and term fill their 64 bits from the end", () => {
  const own = records();
  own.seal(place, plain);
  const sealed = Buffer.from(own.seal({ ...place, term: 2 ** 52 + 3 }, plain));
  expect([sealed.readBigUInt64BE(41), sealed.readBigUInt64BE(49)]).toEqual([1n, 2n ** 52n + 3n]);
});

test("empty records are sealed too", () => {
  expect(records().open(place, records().seal(place, new Uint8Array(0)))).toEqual(Buffer.alloc(0));
});

describe("a record counts only where it belongs", () => {
  test.each<[string, SealedRecords, RecordPlace]>([
    ["another kind", records(), { ...place, kind: "snapshot" }],
    ["another index", records(), { ...place, index: 8 }],
    ["another term", records(), { ...place, term: 4 }],
    ["another part", records(), { ...place, part: 1 }],
    ["another member", records({ nodeId: "other" }), place],
    ["another cluster", records({ clusterId: "other" }), place],
  ])("%s", (_title, reader, elsewhere) => {
    const sealed = records().seal(place, plain);
    expect(() => reader.open(elsewhere, sealed)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  });
});

test("every bit and every length counts", () => {
  const sealed = records().seal(place, plain);
  for (let at = 0; at < sealed.length * 8; at++) {
    const changed = Buffer.from(sealed);
    changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7));
    expect(() => records().open(place, changed), `bit ${at}`).toThrow();
    expect(() => records().open({ ...place, term: null }, changed), `bit ${at}`).toThrow();
  }
  for (let length = 0; length < sealed.length; length++) expect(() => records().open(place, sealed.subarray(0, length)), `length ${length}`).toThrow();
});

test("another key is told from damage", () => {
  const sealed = records({ keys: [Buffer.alloc(32, 2)] }).seal(place, plain);
  expect(() => records().open(place, sealed)).toThrow(
    expect.objectContaining({ code: "unauthenticated", message: expect.stringMatching(/sealed with data key [0-9a-f]{16}, but this member's is/) }),
  );
});

test("more subkeys than are remembered can be read", () => {
  const all = Array.from({ length: 100 }, () => records().seal(place, plain));
  const reader = records();
  for (const sealed of [...all, ...all]) expect(reader.open(place, sealed)).toEqual(plain);
});

test("after a rotation the new key seals, also for snapshots that began before, and what the old one sealed is still read", () => {
  const own = records();
  const snapshot = own.renewed();
  const before = own.seal(place, plain);
  expect(own.isCurrent(before)).toBe(true);
  const next = Buffer.alloc(32, 2);
  own.rotate(next);
  expect(own.isCurrent(before)).toBe(false);
  const after = [own.seal(place, plain), snapshot.seal(place, plain)];
  for (const sealed of [before, ...after]) expect(snapshot.open(place, sealed)).toEqual(plain);
  for (const sealed of after) {
    expect(own.isCurrent(sealed)).toBe(true);
    expect(records({ keys: [next] }).open(place, sealed)).toEqual(plain);
  }
  // Another process knows both for as long as the old one is needed, and only then.
  expect(records({ keys: [next, key] }).open(place, before)).toEqual(plain);
  expect(() => records({ keys: [next] }).open(place, before)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
});

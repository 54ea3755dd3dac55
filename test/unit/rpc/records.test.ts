import { expect, test } from "vitest";
import { record, RecordReader } from "../../../src/rpc/records.js";

function reader(bytesMax = 1_000) {
  const taken: string[] = [];
  return { taken, reader: new RecordReader(bytesMax, (bytes) => void taken.push(bytes.toString())) };
}

const TEXTS = ["", "a", "records of several lengths", "", "x".repeat(300)];
const STREAM = Buffer.concat(TEXTS.map((text) => record(Buffer.from(text))));

test("records come out whole and in order, wherever the stream is cut in two", () => {
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const { taken, reader: at } = reader();
    at.push(STREAM.subarray(0, cut));
    at.push(STREAM.subarray(cut));
    expect(taken).toEqual(TEXTS);
  }
});

test.each([1, 2, 3, 5, 7, 100])("and in pieces of %i bytes", (size) => {
  const { taken, reader: at } = reader();
  for (let from = 0; from < STREAM.length; from += size) at.push(STREAM.subarray(from, from + size));
  expect(taken).toEqual(TEXTS);
});

test("a record is not taken before its last byte", () => {
  const { taken, reader: at } = reader();
  at.push(record(Buffer.from("abc")).subarray(0, 6));
  expect(taken).toEqual([]);
  at.push(Buffer.from("c"));
  expect(taken).toEqual(["abc"]);
});

test("a record that is too large is refused by its length alone, those before it are taken", () => {
  const { taken, reader: at } = reader(10);
  const large = Buffer.alloc(4);
  large.writeUInt32BE(11);
  expect(() => at.push(Buffer.concat([record(Buffer.alloc(10, "b")), large]))).toThrow(expect.objectContaining({ code: "out_of_range" }));
  expect(taken).toEqual(["bbbbbbbbbb"]);
});

test("the bound can be raised within a chunk, from the next record on", () => {
  const taken: number[] = [];
  const at: RecordReader = new RecordReader(1, (bytes) => {
    taken.push(bytes.length);
    at.bytesMax = 100;
  });
  at.push(Buffer.concat([record(Buffer.alloc(1)), record(Buffer.alloc(100))]));
  expect(taken).toEqual([1, 100]);
});

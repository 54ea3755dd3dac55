import { expect, test } from "vitest";
import { decodeRecord, encodeRecord } from "../../../src/agent/task-record.js";
import { TaskCodec } from "../../../src/wire/generated/objects.js";
import { assignedTask } from "../../support/tasks.js";

const task = assignedTask("t1");

test("a task's record is read as it was written, and so is one of an earlier version, which has no checksum", () => {
  expect(decodeRecord(encodeRecord(task))).toEqual(task);
  expect(decodeRecord(TaskCodec.encode(task))).toEqual(task);
});

test("an earlier version reads it too", () => {
  expect(TaskCodec.decode(encodeRecord(task))).toEqual(task);
});

test("a record of which one bit has changed, or whose end is lost, is refused", () => {
  const record = encodeRecord(task);
  for (let bit = 0; bit < record.length * 8; bit++) {
    const damaged = Uint8Array.from(record);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => decodeRecord(damaged), `bit ${bit}`).toThrow("its checksum is not that of its content");
  }
  for (let size = 0; size < record.length; size++) expect(() => decodeRecord(record.subarray(0, size)), `${size} bytes`).toThrow();
});

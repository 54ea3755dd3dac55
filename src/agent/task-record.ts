import { createHash } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import type { Task } from "../model/objects.js";
import { TaskCodec } from "../wire/generated/objects.js";

/** Field 1000 with 32 bytes. Task has none of that number: a version that does not know it skips it. */
const CHECK_HEAD = Buffer.from([0xc2, 0x3e, 0x20]);
const DIGEST_BYTES = 32;
const HEAD_BYTES = CHECK_HEAD.length + DIGEST_BYTES;
/** Of the task's id, with which a record begins that an earlier version wrote. */
const ID_TAG = 0x0a;

/** A task as it is kept on disk: the checksum of the rest comes first, so that neither damage nor a lost end passes for another task. */
export function encodeRecord(task: Task): Uint8Array {
  const content = TaskCodec.encode(task);
  return Buffer.concat([CHECK_HEAD, digestOf(content), content]);
}

/** Throws when it is damaged. A record without a checksum is taken as it is: an earlier version wrote it. */
export function decodeRecord(record: Uint8Array): Task {
  if (record[0] === ID_TAG) return TaskCodec.decode(record);
  const content = record.subarray(HEAD_BYTES);
  const isRight = CHECK_HEAD.equals(record.subarray(0, CHECK_HEAD.length)) && digestOf(content).equals(record.subarray(CHECK_HEAD.length, HEAD_BYTES));
  if (!isRight) throw new ClusterError("failed_precondition", "its checksum is not that of its content");
  return TaskCodec.decode(content);
}

function digestOf(content: Uint8Array): Buffer {
  return createHash("sha256").update(content).digest();
}

import type { FileHandle } from "node:fs/promises";
import type { LogLine } from "../container-runtime.js";
import type { DecodedEntry, FoundTail, LogCodec } from "./log-codec.js";

/** Length before and after each message: 4 bytes, big-endian. */
const LENGTH_BYTES = 4;
/** The shim cuts lines at 16 KiB: what is far beyond is no length. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const READ_SIZE = 65_536;

/**
 * The `local` driver's format (moby: daemon/logger/local, api/types/plugins/logdriver/entry.proto): a protobuf message between its own length, twice, so that it can be read from
 * either end. Fields: 1 source, 2 time in nanoseconds, 3 line without its newline, 4 set when it had none.
 */
export const localCodec: LogCodec = { next: nextEntry, findTail };

function nextEntry(data: Buffer): DecodedEntry | null {
  if (data.length < LENGTH_BYTES) return null;
  const length = data.readUInt32BE(0);
  const sizeBytes = length + 2 * LENGTH_BYTES;
  // Nothing tells where the next entry would begin.
  if (length > MESSAGE_BYTES_MAX) return { line: null, sizeBytes: data.length };
  if (data.length < sizeBytes) return null;
  if (data.readUInt32BE(sizeBytes - LENGTH_BYTES) !== length) return { line: null, sizeBytes: data.length };
  return { line: decode(data.subarray(LENGTH_BYTES, LENGTH_BYTES + length)), sizeBytes };
}

function decode(message: Buffer): LogLine | null {
  let stream = "";
  let timestampNs = 0n;
  let text: Buffer = Buffer.alloc(0);
  let isPartial = false;
  for (let at = 0; at < message.length; ) {
    const key = varint(message, at);
    const value = varint(message, key.end);
    at = value.end;
    if ((key.value & 7n) === 2n) {
      const bytes = message.subarray(at, at + Number(value.value));
      at += bytes.length;
      if (key.value >> 3n === 1n) stream = bytes.toString();
      else if (key.value >> 3n === 3n) text = bytes;
    } else if (key.value >> 3n === 2n) timestampNs = value.value;
    else if (key.value >> 3n === 4n) isPartial = value.value !== 0n;
  }
  if (stream !== "stdout" && stream !== "stderr") return null;
  return { stream, timestampNs, data: isPartial ? Buffer.from(text) : Buffer.concat([text, NEWLINE]), attributes: {} };
}

const NEWLINE = Buffer.from("\n");

function varint(message: Buffer, from: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  let at = from;
  for (let shift = 0n; shift < 64n; shift += 7n) {
    const byte = message[at++] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return { value, end: at };
}

async function findTail(file: FileHandle, count: number): Promise<FoundTail> {
  return (await findFromEnd(file, count)) ?? findFromBeginning(file, count);
}

/** Null when the file does not end with a whole entry: it is being written, or damaged. */
async function findFromEnd(file: FileHandle, count: number): Promise<FoundTail | null> {
  const lengths = Buffer.alloc(LENGTH_BYTES);
  let position = (await file.stat()).size;
  for (let entries = 0; ; entries++) {
    if (entries === count) return { position, entries };
    if (position === 0) return { position: null, entries };
    const lengthAt = async (at: number) => ((await file.read(lengths, 0, LENGTH_BYTES, at)).bytesRead === LENGTH_BYTES ? lengths.readUInt32BE(0) : -1);
    const length = position < 2 * LENGTH_BYTES ? -1 : await lengthAt(position - LENGTH_BYTES);
    const begin = position - length - 2 * LENGTH_BYTES;
    if (length < 0 || begin < 0 || (await lengthAt(begin)) !== length) return null;
    position = begin;
  }
}

async function findFromBeginning(file: FileHandle, count: number): Promise<FoundTail> {
  const begins: number[] = [];
  const buffer = Buffer.alloc(READ_SIZE);
  let held = Buffer.alloc(0);
  let end = 0;
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, READ_SIZE, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    held = Buffer.concat([held, buffer.subarray(0, bytesRead)]);
    for (let entry = nextEntry(held); entry !== null && held.length > 0; entry = nextEntry(held)) {
      begins.push(end);
      end += entry.sizeBytes;
      held = held.subarray(entry.sizeBytes);
    }
  }
  if (count === 0) return { position: end, entries: 0 };
  return { position: begins.at(-count) ?? null, entries: begins.length };
}

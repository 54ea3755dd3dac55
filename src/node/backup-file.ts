import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { ClusterError } from "../base/errors.js";
import { nextTurn } from "../base/next-turn.js";
import type { StoreObject } from "../model/objects.js";
import type { GroupOrigin } from "../replica/replica.js";
import { StoreObjectCodec } from "../wire/generated/objects.js";

/** What a backup says of itself; encrypted as everything else in it. */
export interface BackupHeader {
  readonly clusterId: string;
  readonly createdAtMs: number;
  /** Place in the log that the state is of. */
  readonly index: number;
  readonly term: number;
}

/**
 * A file begins with this and a salt. Frames follow: length (4), AES-256-GCM of a kind (1) and a body, tag (16). The nonce is the frame's number: the salt
 * gives each file a key of its own. The last frame holds the number of objects, so that a file that was cut short is noticed.
 */
const MAGIC = Buffer.from("SWARM-BACKUP-1\n");
/** What every version begins with. */
const KIND = Buffer.from("SWARM-BACKUP-");
const SALT_BYTES = 16;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
/** 64 MiB of memory and some 0.2 s for each guess at the passphrase. */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
const HEADER = 0;
const OBJECTS = 1;
const END = 2;
/** Between portions of this size the event loop turns. */
const PORTION_BYTES = 256 * 1024;
/** Above every frame: a portion, and the object that filled it. Nothing larger is taken into memory before it is known to be whole. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** The bytes of a backup, for a file. The objects are taken in portions, over many turns. Throws ClusterError `invalid_argument` for an empty passphrase. */
export async function* encodeBackup(header: BackupHeader, objects: Iterable<StoreObject>, passphrase: string): AsyncGenerator<Uint8Array, void, undefined> {
  const salt = randomBytes(SALT_BYTES);
  const key = await keyOf(passphrase, salt);
  let number = 0;
  const frame = (kind: number, body: Uint8Array) => {
    const cipher = createCipheriv(CIPHER, key, nonceOf(number++));
    const sealed = Buffer.concat([cipher.update(Uint8Array.of(kind)), cipher.update(body), cipher.final(), cipher.getAuthTag()]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(sealed.length);
    return Buffer.concat([length, sealed]);
  };
  yield Buffer.concat([MAGIC, salt]);
  yield frame(HEADER, Buffer.from(JSON.stringify(header)));
  let portion: Uint8Array[] = [];
  let size = 0;
  let count = 0;
  for (const object of objects) {
    const bytes = StoreObjectCodec.encode(object);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    portion.push(length, bytes);
    size += 4 + bytes.length;
    count++;
    if (size < PORTION_BYTES) continue;
    yield frame(OBJECTS, Buffer.concat(portion));
    await nextTurn();
    portion = [];
    size = 0;
  }
  if (size > 0) yield frame(OBJECTS, Buffer.concat(portion));
  yield frame(END, Buffer.from(String(count)));
}

/**
 * Everything that is in a backup, which is read frame by frame: as large as it is, only what it holds is kept. Throws ClusterError `invalid_argument` that says which: no backup, the wrong passphrase,
 * damaged, or cut short. Nothing of it may be used unless all of it was read.
 */
export async function decodeBackup(
  chunks: AsyncIterable<Uint8Array>,
  passphrase: string,
): Promise<{ readonly header: BackupHeader; readonly origin: GroupOrigin }> {
  const file = new BackupBytes(chunks);
  assertIsBackup((await file.take(MAGIC.length)) ?? file.rest());
  const salt = await file.take(SALT_BYTES);
  if (salt === undefined) throw cutShort();
  const key = await keyOf(passphrase, salt);
  let header: BackupHeader | null = null;
  const objects: StoreObject[] = [];
  let isComplete = false;
  for await (const { kind, body } of framesOf(file, key)) {
    if (kind === HEADER) header = JSON.parse(body.toString()) as BackupHeader;
    else if (kind === OBJECTS) readPortion(body, objects);
    else if (kind === END && body.toString() === String(objects.length)) {
      isComplete = true;
      break;
    }
  }
  if (header === null || !isComplete) throw cutShort();
  if ((await file.take(1)) !== undefined) throw damaged("there is more after its end");
  return { header, origin: { objects, index: header.index, term: header.term } };
}

/** The bytes of a file that come in pieces of any size. */
class BackupBytes {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #parts: Uint8Array[] = [];
  #size = 0;
  /** Of the next byte. */
  at = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes; undefined when there are fewer, which stay. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#size < length) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#parts.push(next.value);
      this.#size += next.value.length;
    }
    const all = this.rest();
    this.#parts = [all.subarray(length)];
    this.#size = all.length - length;
    this.at += length;
    return all.subarray(0, length);
  }

  /** What has come and was not taken. */
  rest(): Buffer {
    const [first] = this.#parts;
    return first !== undefined && this.#parts.length === 1 ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(this.#parts);
  }
}

async function* framesOf(file: BackupBytes, key: Buffer): AsyncGenerator<{ readonly kind: number; readonly body: Buffer }, void, undefined> {
  for (let number = 0; ; number++) {
    const { at } = file;
    const length = await file.take(4);
    if (length === undefined) {
      if (file.rest().length > 0) throw cutShort();
      return;
    }
    const size = length.readUInt32BE();
    if (size < TAG_BYTES + 1 || size > FRAME_BYTES_MAX) throw damaged(`at byte ${at}`);
    const frame = await file.take(size);
    if (frame === undefined) throw cutShort();
    const decipher = createDecipheriv(CIPHER, key, nonceOf(number));
    decipher.setAuthTag(frame.subarray(size - TAG_BYTES));
    const opened = decipher.update(frame.subarray(0, size - TAG_BYTES));
    try {
      decipher.final();
    } catch (cause) {
      throw number === 0
        ? new ClusterError("invalid_argument", "the passphrase is not the backup's, or the backup is damaged", { cause })
        : damaged(`at byte ${at}`, cause);
    }
    yield { kind: opened[0] ?? END, body: opened.subarray(1) };
  }
}

function readPortion(body: Buffer, objects: StoreObject[]): void {
  for (let at = 0; at < body.length; ) {
    const end = at + 4 + body.readUInt32BE(at);
    objects.push(StoreObjectCodec.decode(body.subarray(at + 4, end)));
    at = end;
  }
}

/** Of its begin, before anything else is taken into memory. */
function assertIsBackup(found: Buffer): void {
  if (found.equals(MAGIC)) return;
  if (!found.subarray(0, KIND.length).equals(KIND)) throw new ClusterError("invalid_argument", "this is no backup of a swarm");
  const [kind] = found.toString("latin1").split("\n");
  throw new ClusterError(
    "invalid_argument",
    `the backup is of a format that this version does not know: it begins with ${JSON.stringify(kind)}, not with ${JSON.stringify(MAGIC.toString().trim())}`,
  );
}

const deriveKey = promisify<string, Buffer, number, typeof SCRYPT, Buffer>(scrypt);

async function keyOf(passphrase: string, salt: Buffer): Promise<Buffer> {
  if (passphrase === "") throw new ClusterError("invalid_argument", "a backup needs a passphrase: it holds the cluster's keys and secrets");
  return await deriveKey(passphrase.normalize("NFC"), salt, 32, SCRYPT);
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

function cutShort(): ClusterError {
  return damaged("it was cut short");
}

function damaged(how: string, cause?: unknown): ClusterError {
  return new ClusterError("invalid_argument", `the backup is damaged: ${how}`, { cause });
}

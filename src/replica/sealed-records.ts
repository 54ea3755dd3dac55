import { createCipheriv, createDecipheriv } from "node:crypto";
import { defined } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";
import { DataKeys, KEY_ID_BYTES, SALT_BYTES, type Subkey } from "./data-keys.js";
import type { RecordCodec, RecordPlace } from "./record-codec.js";

const VERSION = 1;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;

/** Places within the header: version, key id, salt, number of the message, term. */
const KEY_ID_AT = 1;
const SALT_AT = KEY_ID_AT + KEY_ID_BYTES;
const NUMBER_AT = SALT_AT + SALT_BYTES;
const TERM_AT = NUMBER_AT + 8;
const HEADER_BYTES = TERM_AT + 8;

/** After so many messages a subkey makes room for another: far below where AES-GCM with counted nonces would weaken. */
const MESSAGES_MAX = 2 ** 30;

export interface SealedRecordsOptions {
  /** Of this member's own, DATA_KEY_BYTES each: no other has them. The first one seals, the others are for reading what they sealed. */
  readonly keys: readonly Uint8Array[];
  readonly clusterId: string;
  readonly nodeId: string;
}

/**
 * Records under AES-256-GCM. Each process and each snapshot seals with a subkey of its own, derived by HKDF-SHA-256 (RFC 5869) with a random salt of 256 bits,
 * so that a counter makes a nonce that is never used twice. What a record is and where it belongs is authenticated with it. Record: version (1), id
 * of the data key (8), salt (32), number (8), term (8), ciphertext, tag (16).
 */
export class SealedRecords implements RecordCodec {
  readonly #owner: { readonly clusterId: string; readonly nodeId: string };
  /** The beginning of a JSON list. */
  readonly #ownerText: Buffer;
  readonly #keys: DataKeys;
  #own: Subkey;
  #sealed = 0;
  readonly overheadBytes = HEADER_BYTES + TAG_BYTES;

  constructor(options: SealedRecordsOptions | { readonly shared: DataKeys; readonly clusterId: string; readonly nodeId: string }) {
    const { clusterId, nodeId } = options;
    this.#owner = { clusterId, nodeId };
    this.#ownerText = Buffer.from(JSON.stringify([clusterId, nodeId]).slice(0, -1));
    this.#keys = "shared" in options ? options.shared : new DataKeys(options.keys);
    this.#own = this.#keys.newSubkey();
  }

  seal(place: RecordPlace, plain: Uint8Array): Uint8Array {
    if (this.#sealed === MESSAGES_MAX || this.#own.keyId !== this.#keys.currentId) {
      this.#own = this.#keys.newSubkey();
      this.#sealed = 0;
    }
    const record = Buffer.allocUnsafe(HEADER_BYTES + plain.length + TAG_BYTES);
    record[0] = VERSION;
    record.set(this.#own.keyId, KEY_ID_AT);
    record.set(this.#own.salt, SALT_AT);
    writeUint64(record, this.#sealed++, NUMBER_AT);
    writeUint64(record, defined(place.term, "who seals knows the term"), TERM_AT);
    const header = record.subarray(0, HEADER_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#own.key, nonceOf(header));
    cipher.setAAD(this.#associated(place, header));
    record.set(cipher.update(plain), HEADER_BYTES);
    cipher.final();
    record.set(cipher.getAuthTag(), HEADER_BYTES + plain.length);
    return record;
  }

  open(place: RecordPlace, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
    if (bytes.length < this.overheadBytes) throw broken("it is cut short");
    const header = bytes.subarray(0, HEADER_BYTES);
    if (header[0] !== VERSION) throw broken(`it has format ${header[0]}, only ${VERSION} is known`);
    if (place.term !== null && header.readBigUInt64BE(TERM_AT) !== BigInt(place.term)) throw broken(`it is not of term ${place.term}`);
    const subkey = this.#keys.subkeyOf(header.subarray(KEY_ID_AT, SALT_AT), header.subarray(SALT_AT, NUMBER_AT));
    const decipher = createDecipheriv("aes-256-gcm", subkey.key, nonceOf(header));
    decipher.setAAD(this.#associated(place, header));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const plain = decipher.update(bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES));
    try {
      decipher.final();
      return plain;
    } catch (cause) {
      throw broken("its seal is broken", cause);
    }
  }

  renewed(): SealedRecords {
    return new SealedRecords({ ...this.#owner, shared: this.#keys });
  }

  isCurrent(sealed: Uint8Array): boolean {
    return sealed[0] === VERSION && this.#keys.currentId.equals(sealed.subarray(KEY_ID_AT, SALT_AT));
  }

  /** From now on this key seals, here and in all that `renewed` made; what others sealed stays readable for as long as the process lives. */
  rotate(key: Uint8Array): void {
    this.#keys.rotate(key);
  }

  /** A line of JSON that says whose record it is and where it belongs, and the header. */
  #associated({ kind, index, part }: RecordPlace, header: Buffer): Buffer {
    const place = `,"${kind}",${index},${part}]\n`;
    const bytes = Buffer.allocUnsafe(this.#ownerText.length + place.length + HEADER_BYTES);
    bytes.set(this.#ownerText);
    bytes.write(place, this.#ownerText.length, "latin1");
    bytes.set(header, this.#ownerText.length + place.length);
    return bytes;
  }
}

/** A subkey's own salt makes the counter alone enough. */
function nonceOf(header: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  header.copy(nonce, NONCE_BYTES - 8, NUMBER_AT, TERM_AT);
  return nonce;
}

/** Big-endian; a number below 2^53. */
function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}

function broken(what: string, cause?: unknown): ClusterError {
  return new ClusterError("invalid_argument", what, { cause });
}

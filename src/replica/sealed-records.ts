import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { assert, defined } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";
import type { RecordCodec, RecordPlace } from "./record-codec.js";

/** Bytes of the data key, and of each subkey. */
export const DATA_KEY_BYTES = 32;

const VERSION = 1;
const SALT_BYTES = 32;
const KEY_ID_BYTES = 8;
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
/** Subkeys remembered for reading: one for each start of the process and each snapshot that is read. */
const SUBKEYS_MAX = 64;

interface Subkey {
  readonly salt: Buffer;
  readonly key: Uint8Array;
}

export interface SealedRecordsOptions {
  /** DATA_KEY_BYTES of this member's own: no other has it. */
  readonly key: Uint8Array;
  readonly clusterId: string;
  readonly nodeId: string;
}

/**
 * Records under AES-256-GCM. Each process and each snapshot seals with a subkey of its own, derived by HKDF-SHA-256 (RFC 5869) with a random salt of 256 bits,
 * so that a counter makes a nonce that is never used twice. What a record is and where it belongs is authenticated with it. Record: version (1), id
 * of the data key (8), salt (32), number (8), term (8), ciphertext, tag (16).
 */
export class SealedRecords implements RecordCodec {
  readonly #options: SealedRecordsOptions;
  readonly #keyId: Buffer;
  readonly #known: Map<string, Subkey>;
  #own: Subkey;
  #sealed = 0;
  readonly overheadBytes = HEADER_BYTES + TAG_BYTES;

  constructor(options: SealedRecordsOptions, known: Map<string, Subkey> = new Map()) {
    assert(options.key.length === DATA_KEY_BYTES, "a data key has 256 bits");
    this.#options = options;
    this.#keyId = derive(options.key, Buffer.alloc(0), "swarm data key id", KEY_ID_BYTES);
    this.#known = known;
    this.#own = this.#subkey(randomBytes(SALT_BYTES));
  }

  seal(place: RecordPlace, plain: Uint8Array): Uint8Array {
    if (this.#sealed === MESSAGES_MAX) {
      this.#own = this.#subkey(randomBytes(SALT_BYTES));
      this.#sealed = 0;
    }
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = VERSION;
    this.#keyId.copy(header, KEY_ID_AT);
    this.#own.salt.copy(header, SALT_AT);
    header.writeBigUInt64BE(BigInt(this.#sealed++), NUMBER_AT);
    header.writeBigUInt64BE(BigInt(defined(place.term, "who seals knows the term")), TERM_AT);
    const cipher = createCipheriv("aes-256-gcm", this.#own.key, nonceOf(header));
    cipher.setAAD(this.#associated(place, header));
    const body = cipher.update(plain);
    cipher.final();
    return Buffer.concat([header, body, cipher.getAuthTag()]);
  }

  open(place: RecordPlace, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
    if (bytes.length < this.overheadBytes) throw broken("it is cut short");
    const header = bytes.subarray(0, HEADER_BYTES);
    if (header[0] !== VERSION) throw broken(`it has format ${header[0]}, only ${VERSION} is known`);
    if (place.term !== null && header.readBigUInt64BE(TERM_AT) !== BigInt(place.term)) throw broken(`it is not of term ${place.term}`);
    const decipher = createDecipheriv("aes-256-gcm", this.#subkey(header.subarray(SALT_AT, NUMBER_AT)).key, nonceOf(header));
    decipher.setAAD(this.#associated(place, header));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const plain = decipher.update(bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES));
    try {
      decipher.final();
      return plain;
    } catch (cause) {
      throw this.#refusal(header.subarray(KEY_ID_AT, SALT_AT), cause);
    }
  }

  renewed(): SealedRecords {
    return new SealedRecords(this.#options, this.#known);
  }

  #refusal(keyId: Buffer, cause: unknown): ClusterError {
    if (keyId.equals(this.#keyId)) return broken("its seal is broken", cause);
    return new ClusterError("unauthenticated", `it is sealed with data key ${keyId.toString("hex")}, but this member's is ${this.#keyId.toString("hex")}`, {
      cause,
    });
  }

  #associated({ kind, index, part }: RecordPlace, header: Buffer): Buffer {
    const { clusterId, nodeId } = this.#options;
    return Buffer.concat([Buffer.from(`${JSON.stringify([clusterId, nodeId, kind, index, part])}\n`), header]);
  }

  #subkey(salt: Buffer): Subkey {
    const name = salt.toString("base64");
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const subkey = { salt: Buffer.from(salt), key: derive(this.#options.key, salt, "swarm records", DATA_KEY_BYTES) };
    const oldest = this.#known.keys().next();
    if (this.#known.size >= SUBKEYS_MAX && oldest.done !== true) this.#known.delete(oldest.value);
    this.#known.set(name, subkey);
    return subkey;
  }
}

/** A subkey's own salt makes the counter alone enough. */
function nonceOf(header: Buffer): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  header.copy(nonce, NONCE_BYTES - 8, NUMBER_AT, TERM_AT);
  return nonce;
}

function derive(key: Uint8Array, salt: Uint8Array, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync("sha256", key, salt, purpose, bytes));
}

function broken(what: string, cause?: unknown): ClusterError {
  return new ClusterError("invalid_argument", what, { cause });
}

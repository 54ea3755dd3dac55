import { createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { assert } from "../base/assert.js";
import { ClusterError } from "../base/errors.js";

/** Bytes of a data key, and of each subkey. */
export const DATA_KEY_BYTES = 32;
export const KEY_ID_BYTES = 8;
export const SALT_BYTES = 32;

/** Subkeys remembered for reading: one for each start of the process and each snapshot that is read. */
const SUBKEYS_MAX = 64;

export interface Subkey {
  /** Of the data key that it was derived from. */
  readonly keyId: Buffer;
  readonly salt: Buffer;
  /** Made once: of a key in bytes, Node.js makes one for each cipher. */
  readonly key: KeyObject;
}

interface NamedKey {
  readonly id: Buffer;
  readonly key: Uint8Array;
}

/** A member's data keys: the current one, which seals, and those before it, which are still read with. */
export class DataKeys {
  /** The current one first. Invariant: not empty. */
  #all: [NamedKey, ...NamedKey[]];
  readonly #known = new Map<string, Subkey>();

  constructor(keys: readonly Uint8Array[]) {
    const [first, ...others] = keys.map(named);
    assert(first !== undefined, "a member has a data key");
    this.#all = [first, ...others];
  }

  get currentId(): Buffer {
    return this.#all[0].id;
  }

  /** Nothing changes when it is the current one already. */
  rotate(key: Uint8Array): void {
    const next = named(key);
    if (!next.id.equals(this.currentId)) this.#all = [next, ...this.#all];
  }

  /** Of the current key, with a salt of its own. */
  newSubkey(): Subkey {
    return this.subkeyOf(this.currentId, randomBytes(SALT_BYTES));
  }

  /** Throws ClusterError `unauthenticated` for a data key that is none of these. */
  subkeyOf(keyId: Uint8Array, salt: Uint8Array): Subkey {
    const from = this.#all.find(({ id }) => id.equals(keyId));
    if (from === undefined) {
      const [name, own] = [Buffer.from(keyId).toString("hex"), this.currentId.toString("hex")];
      throw new ClusterError("unauthenticated", `it is sealed with data key ${name}, but this member's is ${own}`);
    }
    const name = `${from.id.toString("hex")} ${Buffer.from(salt).toString("base64")}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const subkey = { keyId: from.id, salt: Buffer.from(salt), key: createSecretKey(derive(from.key, salt, "swarm records", DATA_KEY_BYTES)) };
    const oldest = this.#known.keys().next();
    if (this.#known.size >= SUBKEYS_MAX && oldest.done !== true) this.#known.delete(oldest.value);
    this.#known.set(name, subkey);
    return subkey;
  }
}

function named(key: Uint8Array): NamedKey {
  assert(key.length === DATA_KEY_BYTES, "a data key has 256 bits");
  return { id: derive(key, Buffer.alloc(0), "swarm data key id", KEY_ID_BYTES), key };
}

function derive(key: Uint8Array, salt: Uint8Array, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync("sha256", key, salt, purpose, bytes));
}

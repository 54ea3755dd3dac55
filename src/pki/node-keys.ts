import { checkedText, withCheck } from "../base/checked-text.js";
import { ClusterError } from "../base/errors.js";
import { DATA_KEY_BYTES, type DataKey } from "./data-key.js";
import { decodePem, encodePem, pemBlocks } from "./pem.js";

/** All that a node must keep to itself. */
export interface NodeKeys {
  /** PEM. One belongs to the certificate; the next one, when there is one, is what a renewal under way asks for; those before it are old. */
  readonly nodeKeys: readonly string[];
  /** Of a manager. The first seals; what the others sealed is still on the disk. */
  readonly dataKeys: readonly DataKey[];
}

const NODE_KEY = "PRIVATE KEY";
const DATA_KEY = "SWARM DATA KEY";
const EPOCH_BYTES = 8;

/** As the key file holds them: PEM blocks, and a checksum, so that no damage can pass for another key. */
export function encodeNodeKeys({ nodeKeys, dataKeys }: NodeKeys): string {
  return withCheck([...nodeKeys, ...dataKeys.map(encodeDataKey)].join(""));
}

/** Throws ClusterError `failed_precondition`, with nothing of the text, when it is damaged. A text without a checksum is taken as it is. */
export function decodeNodeKeys(text: string): NodeKeys {
  const blocks = checkedText(text);
  return { nodeKeys: pemBlocks(NODE_KEY, blocks), dataKeys: pemBlocks(DATA_KEY, blocks).map(decodeDataKey) };
}

function encodeDataKey({ key, epoch }: DataKey): string {
  const bytes = Buffer.alloc(DATA_KEY_BYTES + EPOCH_BYTES);
  bytes.set(key, 0);
  bytes.writeBigUInt64BE(BigInt(epoch), DATA_KEY_BYTES);
  return encodePem(DATA_KEY, bytes);
}

function decodeDataKey(block: string): DataKey {
  const bytes = decodePem(DATA_KEY, block);
  if (bytes.length !== DATA_KEY_BYTES + EPOCH_BYTES) throw damaged();
  return { key: bytes.subarray(0, DATA_KEY_BYTES), epoch: Number(bytes.readBigUInt64BE(DATA_KEY_BYTES)) };
}

function damaged(): ClusterError {
  return new ClusterError("failed_precondition", "it is damaged");
}

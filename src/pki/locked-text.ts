import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { ClusterError } from "../base/errors.js";
import { unlockKeyId } from "./unlock-key.js";

const BEGIN = "-----BEGIN SWARM LOCKED KEYS-----\n";
const END = "-----END SWARM LOCKED KEYS-----\n";
const CIPHER = "aes-256-gcm";
const SALT_BYTES = 32;
const TAG_BYTES = 16;

/** The header is as the file has it: lines of `Name: value`. All of it is authenticated with what is encrypted. */
const PATTERN = new RegExp(`^${BEGIN}((?:[A-Za-z-]+: [^\\n]+\\n)+)\\n((?:[A-Za-z0-9+/=]+\\n)+)${END}$`);

/**
 * A text under an unlock key, by AES-256-GCM: a block whose header says in plain words how and when it was locked, and with which key. Each block has a
 * subkey of its own, derived by HKDF-SHA-256 with a random salt of 256 bits, so that its one nonce is never used twice.
 */
export function lockText(plain: string, { unlockKey, nowMs }: { readonly unlockKey: Uint8Array; readonly nowMs: number }): string {
  const salt = randomBytes(SALT_BYTES);
  const fields = {
    Format: "1",
    Cipher: "AES-256-GCM",
    "Locked-At": new Date(nowMs).toISOString(),
    "Unlock-Key-Id": unlockKeyId(unlockKey),
    Salt: salt.toString("hex"),
  };
  const header = Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
  const cipher = createCipheriv(CIPHER, subkeyOf(unlockKey, salt), Buffer.alloc(12));
  cipher.setAAD(Buffer.from(header));
  const sealed = Buffer.concat([cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
  const lines = sealed.toString("base64").match(/.{1,64}/g) ?? [];
  return `${BEGIN}${header}\n${lines.join("\n")}\n${END}`;
}

/** True for what `lockText` made, also when it was damaged since. */
export function isLockedText(text: string): boolean {
  return text.startsWith(BEGIN) || text.endsWith(END);
}

/**
 * Throws ClusterError `unauthenticated` when the key is another one, `failed_precondition` when the text is damaged. Neither says anything of what is
 * inside.
 */
export function unlockText(text: string, unlockKey: Uint8Array): string {
  const [, header, body] = PATTERN.exec(text) ?? [];
  if (header === undefined || body === undefined) throw damaged();
  const fields = new Map(header.split("\n").map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (fields.get("Format") !== "1" || fields.get("Cipher") !== "AES-256-GCM") throw damaged();
  if (fields.get("Unlock-Key-Id") !== unlockKeyId(unlockKey))
    throw new ClusterError(
      "unauthenticated",
      "swarm could not be unlocked: invalid key provided; a manager that was down while the key was rotated needs the one before",
    );
  const sealed = Buffer.from(body, "base64");
  const salt = Buffer.from(fields.get("Salt") ?? "", "hex");
  if (sealed.length < TAG_BYTES || salt.length !== SALT_BYTES) throw damaged();
  const decipher = createDecipheriv(CIPHER, subkeyOf(unlockKey, salt), Buffer.alloc(12));
  decipher.setAAD(Buffer.from(header));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    throw damaged(); // The cause of a broken seal says nothing.
  }
  return plain.toString("utf8");
}

function subkeyOf(unlockKey: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", unlockKey, salt, "swarm locked keys", 32));
}

function damaged(): ClusterError {
  return new ClusterError("failed_precondition", "it is damaged");
}

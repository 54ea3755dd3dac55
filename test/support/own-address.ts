import { randomInt } from "node:crypto";

/**
 * An address of 127.0.0.0/8 that is nobody else's. A port of it that is closed is still free when it is to be opened again: neither the clients of this machine,
 * which call from 127.0.0.1, nor anybody who asks for any port there are given it.
 */
export function ownAddress(): string {
  return `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
}

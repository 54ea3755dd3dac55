const NEWLINE = 10;

/**
 * One entry in journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): `KEY=value` and a newline; a value with newlines, or that is no text, as its key, a
 * newline, its length in 8 bytes little-endian, and itself.
 */
export function formatJournal(fields: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return Buffer.concat(Object.entries(fields).flatMap(([key, value]) => fieldOf(key, Buffer.from(value))));
}

function fieldOf(key: string, value: Buffer): readonly Buffer[] {
  const end = Buffer.from("\n");
  if (!value.includes(NEWLINE)) return [Buffer.from(`${key}=`), value, end];
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return [Buffer.from(`${key}\n`), length, value, end];
}

/** A name that journald takes: capital letters, digits and underscores, not at the beginning; empty when nothing is left. */
export function journalKey(name: string): string {
  return name
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "_")
    .replace(/^[_0-9]+/, "")
    .slice(0, 64);
}

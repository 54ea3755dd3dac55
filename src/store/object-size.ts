/** What a field costs beside its name and value, at most. */
const FIELD_BYTES = 12;

/**
 * No less than what objects, lists, strings, numbers and bytes take on the wire, and about what they take in memory. Measuring an object costs about a
 * microsecond, much less than to encode it.
 */
export function roughBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return FIELD_BYTES;
  if (value instanceof Uint8Array) return value.length;
  let bytes = FIELD_BYTES;
  if (Array.isArray(value)) {
    for (const item of value) bytes += FIELD_BYTES + roughBytes(item);
  } else {
    // The names of fields are not on the wire, but those of labels are.
    for (const key in value) bytes += FIELD_BYTES + key.length * UTF8_BYTES_MAX + roughBytes((value as Readonly<Record<string, unknown>>)[key]);
  }
  return bytes;
}

/** Of a UTF-16 code unit. */
const UTF8_BYTES_MAX = 3;

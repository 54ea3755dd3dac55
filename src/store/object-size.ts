import { NO_ITEMS } from "../base/nothing.js";

/** What a field costs beside its name and value, at most. */
const FIELD_BYTES = 12;

/**
 * No less than what objects, lists, strings, numbers and bytes take on the wire, and about what they take in memory. Measuring an object costs about a
 * microsecond, much less than to encode it.
 */
export function roughBytes(value: unknown): number {
  if (typeof value === "string") return textBytes(value);
  if (typeof value !== "object" || value === null) return FIELD_BYTES;
  if (value instanceof Uint8Array) return value.length;
  let bytes = FIELD_BYTES;
  if (Array.isArray(value)) {
    for (const item of value) bytes += FIELD_BYTES + roughBytes(item);
    return bytes;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  for (const key in fields) {
    // The names of fields are not on the wire, but those of labels are.
    bytes += FIELD_BYTES + key.length * UTF8_BYTES_MAX;
    const field = fields[key];
    // Most fields of most objects are empty lists or no objects at all.
    if (typeof field !== "object" || field === null) bytes += typeof field === "string" ? textBytes(field) : FIELD_BYTES;
    else bytes += field === NO_ITEMS ? FIELD_BYTES : roughBytes(field);
  }
  return bytes;
}

/** Of a UTF-16 code unit. */
const UTF8_BYTES_MAX = 3;
/** Longer texts are worth to be measured. */
const SHORT_TEXT = 32;

function textBytes(text: string): number {
  return text.length <= SHORT_TEXT ? text.length * UTF8_BYTES_MAX : Buffer.byteLength(text);
}

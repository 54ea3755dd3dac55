/** What a field costs beside its value, roughly. */
const FIELD_BYTES = 8;

/** About how much memory a value of plain objects, lists, strings, numbers and bytes takes. Parts that several objects share are counted in each. */
export function roughBytes(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return FIELD_BYTES;
  if (value instanceof Uint8Array) return value.length;
  let bytes = FIELD_BYTES;
  if (Array.isArray(value)) for (const item of value) bytes += FIELD_BYTES + roughBytes(item);
  else for (const key in value) bytes += FIELD_BYTES + roughBytes((value as Readonly<Record<string, unknown>>)[key]);
  return bytes;
}

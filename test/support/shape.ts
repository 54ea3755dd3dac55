/** The form of JSON values: keys, and the kinds of what they hold. Several kinds in one place are alternatives. */
export type Shape = string | readonly Shape[] | { readonly [key: string]: Shape };

const ALTERNATIVES = "|";
const ID_KEY = /^(sha256:)?[0-9a-f]{64}$/;

/** Elements of a list have one shape together; ids as keys stand for any. */
export function shapeOf(value: unknown): Shape {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(shapeOf).reduce(merge)];
  if (typeof value !== "object") return typeof value;
  const fields: Record<string, Shape> = {};
  for (const [key, field] of Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const name = ID_KEY.test(key) ? "ID" : key;
    const shape = shapeOf(field);
    fields[name] = fields[name] === undefined ? shape : merge(fields[name], shape);
  }
  return fields;
}

export function merge(one: Shape, other: Shape): Shape {
  if (isList(one) && isList(other)) return one[0] === undefined ? other : other[0] === undefined ? one : [merge(one[0], other[0])];
  if (isFields(one) && isFields(other)) {
    const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].toSorted();
    return Object.fromEntries(
      keys.map((key) => [key, one[key] === undefined ? (other[key] ?? "") : other[key] === undefined ? one[key] : merge(one[key], other[key])]),
    );
  }
  const kinds = new Map([...alternativesOf(one), ...alternativesOf(other)].map((shape) => [JSON.stringify(shape), shape]));
  return kinds.size === 1 ? one : { [ALTERNATIVES]: [...kinds.values()] };
}

/** What a client that knows the first would miss or misread in the second, and what is only there; one line each. */
export function shapeDifferences(there: Shape, ours: Shape, path = ""): readonly string[] {
  const options = alternativesOf(there);
  if (options.length > 1 || alternativesOf(ours).length > 1) {
    const each = alternativesOf(ours).map(
      (shape) => options.map((option) => shapeDifferences(option, shape, path)).toSorted((a, b) => a.length - b.length)[0] ?? [],
    );
    return each.flat();
  }
  if (isList(there) && isList(ours)) {
    if (there[0] === undefined) return [];
    return ours[0] === undefined ? [`${path}: nothing in it`] : shapeDifferences(there[0], ours[0], `${path}[]`);
  }
  if (isFields(there) && isFields(ours)) {
    const missing = Object.keys(there).filter((key) => ours[key] === undefined);
    const extra = Object.keys(ours).filter((key) => there[key] === undefined);
    const common = Object.entries(there).flatMap(([key, shape]) => (ours[key] === undefined ? [] : shapeDifferences(shape, ours[key], `${path}.${key}`)));
    return [...missing.map((key) => `${path}.${key}: missing`), ...extra.map((key) => `${path}.${key}: only here`), ...common];
  }
  return JSON.stringify(there) === JSON.stringify(ours) ? [] : [`${path}: ${kindOf(there)} there, ${kindOf(ours)} here`];
}

function alternativesOf(shape: Shape): readonly Shape[] {
  const alternatives = isFields(shape) ? shape[ALTERNATIVES] : undefined;
  return alternatives !== undefined && isList(alternatives) ? alternatives : [shape];
}

function kindOf(shape: Shape): string {
  return isList(shape) ? "list" : typeof shape === "string" ? shape : "object";
}

function isList(shape: Shape): shape is readonly Shape[] {
  return Array.isArray(shape);
}

function isFields(shape: Shape): shape is { readonly [key: string]: Shape } {
  return typeof shape === "object" && !Array.isArray(shape);
}

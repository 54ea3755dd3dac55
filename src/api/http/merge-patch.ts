import { badRequest } from "./errors.js";
import { type Json, parseJson, stringifyJson } from "./json.js";

/** The value with the patch merged into it, as RFC 7396 has it: members that are null are removed, other objects are merged, all else is replaced. */
export function mergePatch(value: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(value) ? Object.entries(value) : []);
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), change));
  }
  return Object.fromEntries(merged);
}

/** A spec as a client sees it, with a client's patch. Throws 400 for a patch that is no object: it would replace the whole. */
export function patchedSpec(shown: Json, patch: unknown): unknown {
  if (!isObject(patch)) throw badRequest("a patch must be an object");
  return mergePatch(parseJson(stringifyJson(shown)), patch);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

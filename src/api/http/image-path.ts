import type { FastifyRequest } from "fastify";
import { familiarReference, parseReference } from "../../model/image-reference.js";
import { type HttpError, notFound, PAGE_NOT_FOUND_TEXT } from "./errors.js";

/** Names of images contain slashes: the verb is what follows the last one. Throws 404 for a verb that is not one of these. */
export function imagePath<T extends string>(request: FastifyRequest, verbs: readonly T[]): { readonly name: string; readonly verb: T } {
  const path = wildcardOf(request);
  const split = path.lastIndexOf("/");
  const verb = verbs.find((candidate) => candidate === path.slice(split + 1));
  if (split <= 0 || verb === undefined) throw notFound(PAGE_NOT_FOUND_TEXT);
  return { name: path.slice(0, split), verb };
}

export function wildcardOf(request: FastifyRequest): string {
  return (request.params as { readonly "*": string })["*"];
}

/** `repo` and `tag` as they come apart in queries; a repo may already carry its tag, and a tag may be a digest. */
export function withTag(repo: string, tag: string): string {
  if (tag === "") return repo;
  return tag.includes(":") ? `${repo}@${tag}` : `${repo}:${tag}`;
}

/** A 404 with the name spelt out as Docker does it. Throws 400 for what is no name at all. */
export function noSuchImage(name: string): HttpError {
  const isId = /^(sha256:[0-9a-f]+|[0-9a-f]{64})$/.test(name);
  return notFound(`No such image: ${isId ? name : familiarReference(parseReference(name))}`);
}

import { ClusterError } from "../base/errors.js";

/** A name of an image, normalised as Docker does: `bb` is `docker.io/library/bb:latest`. */
export interface ImageReference {
  readonly domain: string;
  readonly path: string;
  /** Empty when the reference has a digest and no tag. */
  readonly tag: string;
  /** `sha256:…`; empty when there is none. */
  readonly digest: string;
}

const DEFAULT_DOMAIN = "docker.io";
const OFFICIAL = "library/";
const NAME_LENGTH_MAX = 255;

const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;

/**
 * Takes apart what a user writes (grammar of github.com/distribution/reference). Throws ClusterError `invalid_argument` with Docker's
 * words, "invalid reference format".
 */
export function parseReference(text: string): ImageReference {
  const at = text.indexOf("@");
  const named = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? "" : text.slice(at + 1);
  if (at >= 0 && !DIGEST.test(digest)) throw invalid(text);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : "";
  if (hasTag && !TAG.test(tag)) throw invalid(text);
  const { domain, path } = splitName(hasTag ? named.slice(0, colon) : named);
  if (!DOMAIN.test(domain)) throw invalid(text);
  if (!PATH.test(path)) {
    if (PATH.test(path.toLowerCase())) throw invalid(text, `repository name (${path}) must be lowercase`);
    throw invalid(text);
  }
  if (domain.length + path.length + 1 > NAME_LENGTH_MAX) throw invalid(text, `repository name must not be more than ${NAME_LENGTH_MAX} characters`);
  if (tag === "" && digest === "" && /^[a-f0-9]{64}$/.test(text)) throw invalid(text, "it is an image id");
  return { domain, path, tag: tag === "" && digest === "" ? "latest" : tag, digest };
}

/** The short form that people know: without the default domain, and without `library/`. */
export function familiarName({ domain, path }: Pick<ImageReference, "domain" | "path">): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  return path.startsWith(OFFICIAL) && !path.slice(OFFICIAL.length).includes("/") ? path.slice(OFFICIAL.length) : path;
}

/** `bb:latest`, `bb@sha256:…`, `registry:5000/x/y:v1`. */
export function familiarReference(reference: ImageReference): string {
  return familiarName(reference) + suffixOf(reference);
}

/** The one spelling that means the same image everywhere. */
export function canonicalReference(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}${suffixOf(reference)}`;
}

function suffixOf({ tag, digest }: ImageReference): string {
  return (tag === "" ? "" : `:${tag}`) + (digest === "" ? "" : `@${digest}`);
}

function splitName(name: string): { readonly domain: string; readonly path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain = first !== "" && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const domain = !isDomain || first === "index.docker.io" ? DEFAULT_DOMAIN : first;
  const path = isDomain ? name.slice(slash + 1) : name;
  return { domain, path: domain === DEFAULT_DOMAIN && !path.includes("/") ? OFFICIAL + path : path };
}

function invalid(text: string, reason = `"${text}"`): ClusterError {
  return new ClusterError("invalid_argument", `invalid reference format: ${reason}`);
}

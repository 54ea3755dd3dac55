import type { IncomingMessage } from "node:http";
import { badRequest } from "./errors.js";

export const API_VERSION = "1.47";
export const API_VERSION_MIN = "1.24";

/** Minor number of a 1.x API version. */
export type ApiMinor = number;

const PREFIX = /^\/v(\d+)\.(\d+)(?=\/)/;

/** The version in a request's path, remembered while the router sees the path without it. */
const versionOf = new WeakMap<IncomingMessage, string>();

/** Takes `/v{major.minor}` off the path: every route is served with it and without. */
export function stripVersion(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const match = PREFIX.exec(url);
  if (match === null) return url;
  versionOf.set(request, `${match[1]}.${match[2]}`);
  return url.slice(match[0].length);
}

/** Throws 400 when the client asks for a version outside what is served. */
export function checkVersion(request: IncomingMessage): void {
  const version = versionOf.get(request);
  if (version === undefined) return;
  if (compare(version, API_VERSION_MIN) < 0) {
    throw badRequest(
      `client version ${version} is too old. Minimum supported API version is ${API_VERSION_MIN}, please upgrade your client to a newer version`,
    );
  }
  if (compare(version, API_VERSION) > 0) throw badRequest(`client version ${version} is too new. Maximum supported API version is ${API_VERSION}`);
}

/** The minor version that a request speaks. Without one in its path it means all there is here: also fields of newer versions that are known already. */
export function apiMinorOf(request: IncomingMessage): ApiMinor {
  const version = versionOf.get(request);
  return version === undefined ? Number.POSITIVE_INFINITY : Number(version.split(".")[1]);
}

function compare(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

import { parseReference } from "../model/image-reference.js";
import { findCredentials, registryKey } from "./credentials.js";

/** The X-Registry-Auth header for an image, from docker's own configuration or a credential helper; none without credentials of its registry. */
export async function registryHeaders(image: string): Promise<Readonly<Record<string, string>>> {
  const { domain } = parseReference(image);
  const entry = await findCredentials(registryKey(domain));
  return entry === undefined ? {} : { "x-registry-auth": encodeAuth({ ...entry, serveraddress: domain }) };
}

function encodeAuth(fields: object): string {
  return Buffer.from(JSON.stringify(fields)).toString("base64url");
}

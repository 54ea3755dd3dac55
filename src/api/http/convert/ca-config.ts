import type { ClusterSpec, ExternalCa } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import { type Json, jsonInteger } from "../json.js";
import type { Fields } from "./fields.js";

/** The root that a client wants the cluster to have, PEM; "" where it gives none. */
export interface SigningCa {
  readonly certificate: string;
  readonly key: string;
}

export function signingCaFromDocker(ca: Fields | null): SigningCa {
  return { certificate: ca?.string("SigningCACert") ?? "", key: ca?.string("SigningCAKey") ?? "" };
}

export function externalCaFromDocker(fields: Fields): ExternalCa {
  const protocol = fields.string("Protocol").toLowerCase();
  if (protocol !== "cfssl" && protocol !== "") throw badRequest(`invalid Protocol of an external CA: "${protocol}" is not "cfssl"`);
  const url = fields.string("URL");
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") throw badRequest(`invalid URL of an external CA: "${url}" does not begin with https://`);
  const rootCertificate = fields.string("CACert");
  fields.end();
  return { url, rootCertificate };
}

/** What a client may see, and send back: the root that it rotated to is not part of it, or the next update would rotate again. */
export function caConfigToDocker(spec: ClusterSpec): Json {
  return {
    NodeCertExpiry: jsonInteger(spec.nodeCertExpiryNs),
    ExternalCAs: spec.externalCas.length === 0 ? undefined : spec.externalCas.map(externalCaToDocker),
    ForceRotate: spec.forceRotate === 0 ? undefined : spec.forceRotate,
  };
}

function externalCaToDocker({ url, rootCertificate }: ExternalCa): Json {
  return { Protocol: "cfssl", URL: url, Options: {}, CACert: rootCertificate };
}

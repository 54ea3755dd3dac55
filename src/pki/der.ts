import forge from "node-forge";
import { ClusterError } from "../base/errors.js";

/** Building and reading DER (X.690). Nothing here says whether something is trusted. */
export type Node = forge.asn1.Asn1;

const { asn1 } = forge;

declare module "node-forge" {
  namespace asn1 {
    /** Takes options that its own type declarations do not know. */
    function fromDer(bytes: string, options: { readonly strict: boolean; readonly parseAllBytes: boolean; readonly decodeBitStrings: boolean }): Asn1;
  }
}

const primitive = (type: forge.asn1.Type, value: string): Node => asn1.create(asn1.Class.UNIVERSAL, type, false, value);

export const sequence = (...items: readonly Node[]): Node => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, [...items]);
export const set = (...items: readonly Node[]): Node => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, [...items]);
export const oid = (dotted: string): Node => primitive(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());
export const boolean = (value: boolean): Node => primitive(asn1.Type.BOOLEAN, value ? "\xff" : "\x00");
export const integer = (bytes: Uint8Array): Node => primitive(asn1.Type.INTEGER, binary(bytes));
export const utf8 = (text: string): Node => primitive(asn1.Type.UTF8, forge.util.encodeUtf8(text));
export const octets = (bytes: Uint8Array): Node => primitive(asn1.Type.OCTETSTRING, binary(bytes));

/** `unusedBits` at the end of the last byte do not count. */
export const bits = (bytes: Uint8Array, unusedBits = 0): Node => primitive(asn1.Type.BITSTRING, String.fromCharCode(unusedBits) + binary(bytes));

/** A context-specific tag: around `items`, or over the text of an implicitly tagged string. */
export const tagged = (tag: number, content: readonly Node[] | string): Node =>
  asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, typeof content !== "string", typeof content === "string" ? content : [...content]);

/** RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime after. */
export function time(atMs: number): Node {
  const date = new Date(atMs);
  return date.getUTCFullYear() < 2050
    ? primitive(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

export const encode = (node: Node): Buffer => Buffer.from(asn1.toDer(node).getBytes(), "latin1");

/** Throws ClusterError `invalid_argument` that names `what` when the bytes are not one DER value. */
export function decode(bytes: Uint8Array, what: string): Node {
  try {
    return asn1.fromDer(binary(bytes), { strict: true, parseAllBytes: true, decodeBitStrings: false });
  } catch (cause) {
    throw new ClusterError("invalid_argument", `${what} is not valid DER`, { cause });
  }
}

/** The parts of a constructed value; throws ClusterError `invalid_argument` when it is a primitive one. */
export function childrenOf(node: Node | undefined, what: string): readonly Node[] {
  if (node === undefined || typeof node.value === "string") throw new ClusterError("invalid_argument", `${what} has an unexpected structure`);
  return node.value;
}

/** The bytes of a primitive value; throws ClusterError `invalid_argument` when it is a constructed one. */
export function bytesOf(node: Node | undefined, what: string): Buffer {
  if (node === undefined || typeof node.value !== "string") throw new ClusterError("invalid_argument", `${what} has an unexpected structure`);
  return Buffer.from(node.value, "latin1");
}

export const oidOf = (node: Node | undefined, what: string): string => asn1.derToOid(binary(bytesOf(node, what)));

const binary = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");

import { ClusterError } from "../base/errors.js";

/** RFC 7468 text around DER bytes. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** All blocks with this label, as PEM text, in order. */
export function pemBlocks(label: string, text: string): readonly string[] {
  const blocks = text.match(new RegExp(`-----BEGIN ${label}-----[A-Za-z0-9+/=\\s]+-----END ${label}-----`, "g")) ?? [];
  return blocks.map((block) => `${block}\n`);
}

/** The bytes of the only block with this label; throws ClusterError `invalid_argument` when there is none or more than one. */
export function decodePem(label: string, text: string): Buffer {
  const blocks = pemBlocks(label, text);
  const [block] = blocks;
  if (block === undefined || blocks.length > 1) throw new ClusterError("invalid_argument", `expected one PEM block of type ${label}, found ${blocks.length}`);
  return Buffer.from(block.replace(/-----[^-]+-----/g, ""), "base64");
}

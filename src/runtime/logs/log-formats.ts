import { jsonFileCodec } from "./json-file-codec.js";
import { localCodec } from "./local-codec.js";
import type { LogCodec } from "./log-codec.js";

/** How a log of that format is read. */
export function codecOf(format: "json-file" | "local"): LogCodec {
  return format === "local" ? localCodec : jsonFileCodec;
}

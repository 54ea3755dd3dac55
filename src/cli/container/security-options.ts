import { readFileSync } from "node:fs";
import { messageOf } from "../../base/errors.js";
import { misuse } from "../failure.js";

/** What --security-opt says, as fields of a HostConfig. A seccomp profile is a file of this host, and goes to the daemon as it is. Throws a CommandFailure. */
export function parseSecurityOptions(options: readonly string[]): Readonly<Record<string, unknown>> {
  const isUnconfined = options.includes("systempaths=unconfined");
  const rest = options.filter((option) => option !== "systempaths=unconfined").map(withProfile);
  return { ...(rest.length > 0 ? { SecurityOpt: rest } : {}), ...(isUnconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}) };
}

function withProfile(option: string): string {
  const [, path] = /^seccomp[=:](.+)$/.exec(option) ?? [];
  if (path === undefined || path === "unconfined" || path === "builtin") return option;
  try {
    return `seccomp=${JSON.stringify(JSON.parse(readFileSync(path, "utf8")))}`;
  } catch (cause) {
    throw misuse(`--security-opt: the seccomp profile ${path} cannot be read: ${messageOf(cause)}`);
  }
}

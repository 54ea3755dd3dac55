import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { unlessAborted } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError, messageOf, systemCodeOf } from "../base/errors.js";
import type { RootCertificateReply } from "../wire/generated/ca.js";

/** Version of what nodes say to each other. Changed when a node of one version could not take part in a cluster of the other. */
export const PROTOCOL = 1;

/** Nameservers that do not answer are asked in turn, for 5 s each: a second one shall have its chance, and whoever waits a reason. */
const LOOKUP_TIMEOUT_MS = 10_000;

/** Throws ClusterError `unavailable` that names the host when its name (of host:port) cannot be looked up. gRPC would say the same much later, and worse. */
export async function checkName(address: string, clock: Clock, find: (host: string) => Promise<unknown> = lookup): Promise<void> {
  const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0) return;
  const late = new AbortController();
  const cancel = clock.after(LOOKUP_TIMEOUT_MS, () => late.abort(new Error(`no answer within ${LOOKUP_TIMEOUT_MS} ms`)));
  try {
    await unlessAborted(late.signal, find(host));
  } catch (cause) {
    throw new ClusterError("unavailable", `the name "${host}" cannot be looked up (${systemCodeOf(cause) ?? messageOf(cause)})`, { cause });
  } finally {
    cancel();
  }
}

/** Throws ClusterError `failed_precondition` when the manager is of a version that this program cannot join. */
export function checkProtocol({ protocol = 1, programVersion = "unknown" }: RootCertificateReply): void {
  if (protocol === PROTOCOL) return;
  throw new ClusterError(
    "failed_precondition",
    `the manager is of version ${programVersion}, which speaks protocol ${protocol}; this host speaks protocol ${PROTOCOL}: install the same version on both`,
  );
}

/**
 * Certificates that seem not yet valid, or expired, to a host that was never given one are a matter of clocks. Gives the failure in these words, with the
 * difference; any other failure as it is.
 */
export function withClockSkew(cause: unknown, clocks: { readonly ownMs: number; readonly managerMs: number | undefined }): unknown {
  if (clocks.managerMs === undefined || !/not yet valid|has expired/i.test(messageOf(cause))) return cause;
  const skewMs = clocks.ownMs - clocks.managerMs;
  return new ClusterError(
    "failed_precondition",
    `the clock of this host is ${durationText(Math.abs(skewMs))} ${skewMs < 0 ? "behind" : "ahead of"} the manager's, so that certificates do not seem valid: set it, and try again`,
    { cause },
  );
}

/** The two largest units: `3 d 4 h`. */
function durationText(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

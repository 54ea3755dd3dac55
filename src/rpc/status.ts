import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { ClusterError, type ErrorCode, isErrorCode, systemCodeOf } from "../base/errors.js";
import type { Failure } from "../wire/generated/raft.js";

/** The one place where a ClusterError becomes a gRPC status, and a status a ClusterError. A new code is a compile error here. */
const STATUS_OF = {
  invalid_argument: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  conflict: status.ABORTED,
  failed_precondition: status.FAILED_PRECONDITION,
  out_of_range: status.OUT_OF_RANGE,
  unimplemented: status.UNIMPLEMENTED,
  unavailable: status.UNAVAILABLE,
  no_leader: status.UNAVAILABLE,
  outcome_unknown: status.UNKNOWN,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  aborted: status.CANCELLED,
  internal: status.INTERNAL,
} as const satisfies Record<ErrorCode, status>;

/**
 * Statuses that carry no code of ours: made by gRPC itself, about the connection. A stream that was cancelled or reset, but not by
 * us, is a peer that went away.
 */
const CODE_OF: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.CANCELLED]: "unavailable",
  [status.UNAVAILABLE]: "unavailable",
  [status.INVALID_ARGUMENT]: "invalid_argument",
  [status.DEADLINE_EXCEEDED]: "deadline_exceeded",
  [status.NOT_FOUND]: "not_found",
  [status.PERMISSION_DENIED]: "permission_denied",
  [status.UNAUTHENTICATED]: "unauthenticated",
  [status.RESOURCE_EXHAUSTED]: "out_of_range",
  [status.UNIMPLEMENTED]: "unimplemented",
};

/**
 * `details.connection` of an `unavailable` that is about the connection: nobody listens there; the connection was reset or lost without a goodbye; or anything else,
 * such as a certificate that does not fit.
 */
export type ConnectionFailure = "refused" | "broken" | "failed";

const CODE_KEY = "swarm-code";
const DETAILS_KEY = "swarm-details-bin";
/** Status texts travel in HTTP/2 headers, which are bounded. */
const MESSAGE_CHARACTERS_MAX = 4096;

/** Anything thrown, as the end of a call. Internal errors keep their text: both ends belong to the cluster. */
export function toStatus(cause: unknown): StatusObject {
  const error = ClusterError.from(cause);
  const metadata = new Metadata();
  metadata.set(CODE_KEY, error.code);
  if (Object.keys(error.details).length > 0) metadata.set(DETAILS_KEY, Buffer.from(JSON.stringify(error.details)));
  return { code: STATUS_OF[error.code], details: headerText(error.message), metadata };
}

/** The end of a call to `address`, as it is thrown to the caller. */
export function fromStatus(ended: Partial<StatusObject>, address: string): ClusterError {
  const text = ended.details ?? "";
  const code = ended.metadata?.get(CODE_KEY)[0];
  if (typeof code === "string" && isErrorCode(code)) return new ClusterError(code, text, { details: detailsOf(ended.metadata) });
  const known = CODE_OF[ended.code ?? status.UNKNOWN] ?? "internal";
  if (/^Received HTTP status code/.test(text)) return new ClusterError("unavailable", `what answers at ${address} is no manager: ${text}`);
  // A manager that ends, or a connection that is given up, ends a call so; a stranger may, too.
  if (/without gRPC status/.test(text)) return unreachable(address, "it ended the call without an answer", "failed");
  if (known !== "unavailable") return new ClusterError(known, `${address}: ${text}`);
  return unreachable(address, reasonOf(text), connectionOf(text));
}

/** `unavailable`: no connection to `address` came about, or it is no more. */
export function unreachable(address: string, reason: string, connection?: ConnectionFailure): ClusterError {
  return new ClusterError("unavailable", `cannot reach ${address}: ${reason}`, connection === undefined ? {} : { details: { connection } });
}

/** The error of a socket to `address`. */
export function connectionError(address: string, cause: Error): ClusterError {
  const code = systemCodeOf(cause);
  return unreachable(address, reasonOf(cause.message), code === "ECONNREFUSED" ? "refused" : code === "ECONNRESET" || code === "EPIPE" ? "broken" : "failed");
}

/** A failure that came as a message: the end of a raft stream, or of one of the writes that share a stream. */
export function fromFailure({ code, message, details }: Failure): ClusterError {
  return new ClusterError(isErrorCode(code) ? code : "internal", message, { details });
}

/** Anything that a gRPC call threw. */
export function fromServiceError(cause: unknown, address: string): ClusterError {
  if (cause instanceof ClusterError) return cause;
  if (cause instanceof Error && "code" in cause && typeof cause.code === "number") return fromStatus(cause as Partial<StatusObject>, address);
  return ClusterError.from(cause);
}

/** gRPC tells only by its text how a connection failed; it is read here and nowhere else. */
function connectionOf(text: string): ConnectionFailure {
  if (/ECONNREFUSED/.test(text)) return "refused";
  return /ECONNRESET|EPIPE|Connection dropped|Socket closed|disconnected before secure/.test(text) ? "broken" : "failed";
}

function detailsOf(metadata: Metadata | undefined): Readonly<Record<string, string>> {
  const [bytes] = metadata?.get(DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(bytes)) return {};
  try {
    const parsed: unknown = JSON.parse(bytes.toString());
    if (typeof parsed !== "object" || parsed === null) return {};
    return Object.fromEntries(Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return {}; // Details only help; a peer that garbles them still gave us the code and the message.
  }
}

/** gRPC wraps what the system said: `No connection established. Last error: Error: connect ECONNREFUSED …. Resolution note: `. */
function reasonOf(text: string): string {
  const inner = /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(text)?.[1] ?? text;
  return tlsReason(inner) ?? inner.replace(/ \(\d{4}-\d\d-\d\dT[^)]*\)$/, "");
}

/** OpenSSL's way of saying it: `803C…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/….c:350:` and a newline. */
function tlsReason(text: string): string | undefined {
  const reason = /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(text)?.[1];
  if (reason === undefined) return undefined;
  return reason === "wrong version number" ? "what answers there does not speak TLS" : `no TLS connection came about (${reason})`;
}

/** gRPC percent-encodes the text, which throws on half of a surrogate pair. */
function headerText(text: string): string {
  return text.slice(0, MESSAGE_CHARACTERS_MAX).replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

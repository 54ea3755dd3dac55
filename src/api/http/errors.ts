import { ClusterError, type ErrorCode, isClusterError } from "../../base/errors.js";

/** The one place where a ClusterError becomes an HTTP status (swarm-surface 2.1). */
const STATUS = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  conflict: 409,
  failed_precondition: 400,
  out_of_range: 400,
  unimplemented: 501,
  unavailable: 503,
  no_leader: 503,
  outcome_unknown: 503,
  deadline_exceeded: 500,
  aborted: 500,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Names of gRPC codes as they stand in the texts of Swarm's own errors; scripts look for them. */
const GRPC_NAME = {
  invalid_argument: "InvalidArgument",
  unauthenticated: "Unauthenticated",
  permission_denied: "PermissionDenied",
  not_found: "NotFound",
  already_exists: "AlreadyExists",
  conflict: "Unknown",
  failed_precondition: "FailedPrecondition",
  out_of_range: "OutOfRange",
  unimplemented: "Unimplemented",
  unavailable: "Unavailable",
  no_leader: "Unknown",
  outcome_unknown: "Unknown",
  deadline_exceeded: "DeadlineExceeded",
  aborted: "Aborted",
  internal: "Unknown",
} as const satisfies Record<ErrorCode, string>;

const NO_LEADER_TEXT =
  "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";
const OUTCOME_UNKNOWN_TEXT = "outcome unknown, check before retrying";
export const PAGE_NOT_FOUND_TEXT = "page not found";

/** An answer other than success whose status the route decided itself. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;

  constructor(status: number, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.status = status;
  }
}

export function badRequest(message: string): HttpError {
  return new HttpError(400, message);
}

export function notFound(message: string): HttpError {
  return new HttpError(404, message);
}

export function notSupported(message: string): HttpError {
  return new HttpError(501, message);
}

/** What a failed write looks like to a user of Swarm: its text carries the gRPC code, and a stale version is a 500. */
export function controlError(cause: unknown): unknown {
  if (!isClusterError(cause) || isAvailability(cause.code)) return cause;
  if (cause.code === "conflict") return new HttpError(500, `rpc error: code = Unknown desc = ${cause.message}`, { cause });
  return new HttpError(STATUS[cause.code], `rpc error: code = ${GRPC_NAME[cause.code]} desc = ${cause.message}`, { cause });
}

/** These have sentences of their own, wherever they come from. */
function isAvailability(code: ErrorCode): boolean {
  return code === "no_leader" || code === "outcome_unknown" || code === "unavailable";
}

/**
 * True for what is to be in the log: something went wrong here. A stale version is a 500 for clients, and no failure; so is who went away. Of a write whose outcome is
 * unknown the log alone says why.
 */
export function isFailure(cause: unknown): boolean {
  if (isClusterError(cause, "outcome_unknown")) return true;
  const { status } = answerOf(cause);
  const isRefusal = isClusterError(cause, "aborted") || (cause instanceof HttpError && isClusterError(cause.cause, "conflict"));
  return status >= 500 && status !== 501 && status !== 503 && !isRefusal;
}

export interface ErrorAnswer {
  readonly status: number;
  readonly message: string;
}

/** Status and text of anything that a route threw. Fastify's own errors carry `statusCode`. */
export function answerOf(cause: unknown): ErrorAnswer {
  if (cause instanceof HttpError) return { status: cause.status, message: cause.message };
  if (cause instanceof ClusterError) return { status: STATUS[cause.code], message: textOf(cause) };
  if (cause instanceof Error && "statusCode" in cause && typeof cause.statusCode === "number") {
    return { status: cause.statusCode, message: cause.message };
  }
  return { status: 500, message: cause instanceof Error ? cause.message : String(cause) };
}

function textOf(error: ClusterError): string {
  if (error.code === "no_leader") return error.details.why === undefined ? NO_LEADER_TEXT : `${NO_LEADER_TEXT} ${error.details.why}`;
  if (error.code === "outcome_unknown") return OUTCOME_UNKNOWN_TEXT;
  return error.message;
}

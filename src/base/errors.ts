/**
 * What the caller can do about an expected failure. Closed: adding one is a compile error wherever codes are mapped.
 *
 * - `no_leader`: nothing was proposed; try again when there is a leader.
 * - `outcome_unknown`: the write was proposed and may still commit; look before trying again.
 * - `conflict`: the object changed since it was read ("update out of sequence").
 */
export const ERROR_CODES = [
  "invalid_argument",
  "unauthenticated",
  "permission_denied",
  "not_found",
  "already_exists",
  "conflict",
  "failed_precondition",
  "out_of_range",
  "unimplemented",
  "unavailable",
  "no_leader",
  "outcome_unknown",
  "deadline_exceeded",
  "aborted",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** An expected failure: `code` says what the caller can do next. Broken invariants use assert() instead. */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: { readonly details?: Readonly<Record<string, string>>; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** The only conversion from an unknown thrown value. */
  static from(cause: unknown): ClusterError {
    if (cause instanceof ClusterError) return cause;
    return new ClusterError("internal", messageOf(cause), { cause });
  }
}

/** True for a ClusterError, of this code where one is given: what a `catch` asks before it handles an expected failure. */
export function isClusterError(value: unknown, code?: ErrorCode): value is ClusterError {
  return value instanceof ClusterError && (code === undefined || value.code === code);
}

/** For codes that come over the wire. */
export function isErrorCode(value: string): value is ErrorCode {
  return (ERROR_CODES as readonly string[]).includes(value);
}

/** The text of anything that was thrown. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The `code` of a Node.js system error (`ENOENT`), or undefined. */
export function systemCodeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
}

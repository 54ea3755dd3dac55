/** What is wrong with a disk for a time. */
export interface Ailment {
  /** `full`: whatever needs room fails. `errors`: writes and syncs fail, at this rate. */
  readonly kind: "full" | "errors";
  readonly rate: number;
  /** The step in which it is well again. */
  readonly until: number;
}

/** As a call to the system fails. */
export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly code: "EIO" | "ENOSPC";

  constructor(code: "EIO" | "ENOSPC") {
    super(code === "EIO" ? "EIO: i/o error" : "ENOSPC: no space left on device");
    this.code = code;
  }
}

/** Whether a simulated disk is at the bottom of it. */
export function isDiskError(cause: unknown): boolean {
  for (let at = cause; at instanceof Error; at = at.cause) if (at instanceof DiskError) return true;
  return false;
}

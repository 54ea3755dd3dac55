const SECOND = 1_000_000_000n;

/** Nanoseconds as docker's flags take them: `1h30m0s`, `5s`, `1.5s`, `250ms`, `0s`. */
export function shortDuration(nanoseconds: bigint | number): string {
  const total = BigInt(nanoseconds);
  if (total < 0n) return `-${shortDuration(-total)}`;
  if (total === 0n) return "0s";
  if (total < 1_000n) return `${total}ns`;
  if (total < 1_000_000n) return `${withFraction(total, 1_000n)}µs`;
  if (total < SECOND) return `${withFraction(total, 1_000_000n)}ms`;
  const [hours, minutes] = [total / (3600n * SECOND), (total / (60n * SECOND)) % 60n];
  const seconds = `${withFraction(total % (60n * SECOND), SECOND)}s`;
  return `${hours > 0n ? `${hours}h` : ""}${hours > 0n || minutes > 0n ? `${minutes}m` : ""}${seconds}`;
}

function withFraction(amount: bigint, unit: bigint): string {
  const digits = String(unit).length - 1;
  const fraction = String(amount % unit)
    .padStart(digits, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(amount / unit) : `${amount / unit}.${fraction}`;
}

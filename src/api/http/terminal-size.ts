import type { TerminalSize } from "../../runtime/container-runtime.js";
import { badRequest } from "./errors.js";
import type { Query } from "./query.js";

const SIZE_MAX = 65_535;

/** Rows and columns that a `resize` names as `h` and `w`. Throws 400 for what no terminal has. */
export function terminalSizeOf(query: Query): TerminalSize {
  const number = (name: string) => {
    const value = Number(query.text(name));
    if (!Number.isInteger(value) || value < 0 || value > SIZE_MAX) throw badRequest(`invalid terminal size ${name}=${query.text(name)}`);
    return value;
  };
  return { rows: number("h"), columns: number("w") };
}

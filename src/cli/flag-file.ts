import { readFile } from "node:fs/promises";
import { messageOf } from "../base/errors.js";
import { misuse } from "./failure.js";

/** The text of the file that a flag names; "" without the flag. Throws a CommandFailure that names the flag and the path. */
export async function textOfFlag(path: string | undefined, flag: string): Promise<string> {
  if (path === undefined) return "";
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw misuse(`--${flag}: ${messageOf(cause)}`);
  }
}

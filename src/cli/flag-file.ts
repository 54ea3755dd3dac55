import { readFile } from "node:fs/promises";
import { messageOf } from "../base/errors.js";
import { misuse } from "./failure.js";

/** The text of the file that a flag names; "" without the flag, and only then. Throws a CommandFailure that names the flag and the path. */
export async function textOfFlag(path: string | undefined, flag: string): Promise<string> {
  if (path === undefined) return "";
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw misuse(`--${flag}: ${messageOf(cause)}`);
  }
  // An empty field means that none was given: another one would be made.
  if (text.trim() === "") throw misuse(`--${flag}: ${path} is empty`);
  return text;
}

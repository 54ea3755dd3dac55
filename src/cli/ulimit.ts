import { misuse } from "./failure.js";

/** `name=soft[:hard]`. Throws a CommandFailure. */
export function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [, name, soft = "", hard = soft] = /^([a-z]+)=(-?\d{1,15})(?::(-?\d{1,15}))?$/.exec(text) ?? [];
  if (name === undefined) throw misuse(`--ulimit "${text}" is not name=soft[:hard]`);
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

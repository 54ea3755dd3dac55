import type { Api } from "../api.js";
import { CommandFailure, EXIT } from "../failure.js";

export type WaitCondition = "not-running" | "next-exit" | "removed";

/** Waits for a container's end from now on: whoever awaits this itself knows that no end is missed. The promise in it is that of the exit code. */
export async function watchExit(api: Api, id: string, condition: WaitCondition): Promise<{ readonly exitCode: Promise<number>; cancel(): void }> {
  const cancel = new AbortController();
  const reply = await api.open({ method: "POST", path: `/containers/${encodeURIComponent(id)}/wait`, query: { condition }, signal: cancel.signal });
  const exitCode = (async () => {
    let text = "";
    for await (const chunk of reply) text += (chunk as Buffer).toString();
    if (text.trim() === "") throw new CommandFailure(EXIT.refused, "the connection to the daemon broke off before the container ended");
    const { StatusCode, Error: failure } = JSON.parse(text) as { readonly StatusCode: number; readonly Error?: { readonly Message?: string } | null };
    if (failure?.Message) throw new CommandFailure(EXIT.ownFault, failure.Message);
    return StatusCode;
  })();
  // Who never asks for it has given up on it.
  exitCode.catch(() => undefined);
  return { exitCode, cancel: () => cancel.abort() };
}

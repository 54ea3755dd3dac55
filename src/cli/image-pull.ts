import type { CliContext } from "./context.js";
import { splitReference } from "./image-words.js";
import { registryHeaders } from "./registry-auth.js";
import { showProgress } from "./transfer-progress.js";

export interface PullOptions {
  readonly platform?: string | undefined;
  readonly isQuiet: boolean;
  /** Where the summary goes: to stderr where the output is a program's. */
  readonly output: "stdout" | "stderr";
}

/** Brings an image to the daemon's host, and shows how far it is. */
export async function pullImage({ api, signal }: CliContext, name: string, { platform, isQuiet, output }: PullOptions): Promise<void> {
  const query = name.includes("@") ? { fromImage: name } : { fromImage: splitReference(name)[0], tag: splitReference(name)[1] || "latest" };
  const reply = await api.open({ method: "POST", path: "/images/create", query: { ...query, platform }, headers: registryHeaders(name), signal });
  await showProgress(reply, { isQuiet, output });
}

import type { CliContext } from "./context.js";
import { misuse } from "./failure.js";
import { splitReference } from "./image-words.js";
import { registryHeaders } from "./registry-auth.js";
import { showProgress } from "./transfer-progress.js";

export interface PullOptions {
  readonly platform?: string | undefined;
  readonly isQuiet: boolean;
  /** Every tag of the repository. */
  readonly isAll?: boolean;
  /** Where the summary goes: to stderr where the output is a program's. */
  readonly output: "stdout" | "stderr";
}

/** Brings an image to the daemon's host, and shows how far it is. */
export async function pullImage({ api, signal }: CliContext, name: string, { platform, isQuiet, isAll, output }: PullOptions): Promise<void> {
  const [repository, tag] = splitReference(name);
  if (isAll === true && (tag !== "" || name.includes("@"))) throw misuse(`--all-tags takes a name without a tag, and not "${name}"`);
  // Without a tag, all of them are meant.
  const query = name.includes("@") || isAll === true ? { fromImage: name } : { fromImage: repository, tag: tag || "latest" };
  const reply = await api.open({ method: "POST", path: "/images/create", query: { ...query, platform }, headers: await registryHeaders(name), signal });
  await showProgress(reply, { isQuiet, output });
}

import { openSync, closeSync, writeFileSync, unlinkSync } from "node:fs";
import { messageOf, systemCodeOf } from "../../base/errors.js";
import type { CliContext } from "../context.js";
import { CommandFailure, EXIT, misuse } from "../failure.js";
import { pullImage } from "../image-pull.js";
import { note } from "../output.js";
import { parseChoice } from "../quantities.js";
import { type Attachment, createBodyOf } from "./create-body.js";
import type { CreateFlags } from "./create-flags.js";

/** Makes a container and resolves with its id; an image that is not here is pulled first, unless the flags say otherwise. */
export async function createContainer(
  context: CliContext,
  image: string,
  words: readonly string[],
  { flags, attachment }: { readonly flags: CreateFlags; readonly attachment: Attachment },
): Promise<string> {
  const when = parseChoice(flags.pull, "pull", ["always", "missing", "never"]);
  const body = createBodyOf(image, words, flags, attachment);
  using idFile = flags.cidfile === undefined ? null : new IdFile(flags.cidfile);
  const pull = () => pullImage(context, image, { platform: flags.platform, isQuiet: flags.quiet === true, output: "stderr" });
  if (when === "always") await pull();
  const create = () =>
    context.api.call<{ readonly Id: string; readonly Warnings: readonly string[] | null }>({
      method: "POST",
      path: "/containers/create",
      query: { name: flags.name, platform: flags.platform },
      body,
      signal: context.signal,
    });
  const made = await create().catch(async (cause: unknown) => {
    if (when !== "missing" || !(cause instanceof CommandFailure) || cause.status !== 404 || !/no such image/i.test(cause.message)) throw cause;
    note(`Unable to find image '${image}' locally`);
    await pull();
    return await create();
  });
  for (const warning of made.Warnings ?? []) note(`WARNING: ${warning}`);
  idFile?.write(made.Id);
  return made.Id;
}

/** A file for the id, which must not be there before, and is not there after a failure. */
class IdFile implements Disposable {
  readonly #path: string;
  #isWritten = false;

  constructor(path: string) {
    this.#path = path;
    try {
      closeSync(openSync(path, "wx"));
    } catch (cause) {
      if (systemCodeOf(cause) === "EEXIST") throw misuse(`--cidfile ${path} exists: make sure that the other container is not running, or delete it`);
      throw new CommandFailure(EXIT.refused, `--cidfile: ${messageOf(cause)}`, { cause });
    }
  }

  write(id: string): void {
    writeFileSync(this.#path, id);
    this.#isWritten = true;
  }

  [Symbol.dispose](): void {
    if (!this.#isWritten) unlinkSync(this.#path);
  }
}

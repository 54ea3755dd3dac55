import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Conversation } from "./conversation.js";

const folder = join(import.meta.dirname, "../../testdata/raft");

/** Each file is a conversation: commands, `----`, what the group did. `npx vitest run -u` rewrites it; the diff gets reviewed. */
test.each(readdirSync(folder))("%s", async (name) => {
  const path = join(folder, name);
  const conversation = new Conversation();
  const played = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n\n")
    .map((block) => {
      const commands = block.split("\n----")[0] ?? "";
      return `${commands}\n----\n${conversation.run(commands)}`;
    });
  await expect(`${played.join("\n\n")}\n`).toMatchFileSnapshot(path);
});

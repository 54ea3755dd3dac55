/** `npm run soak -- restarts [--containers N] [--rounds N]`: containers of one host while its daemon, and at last the host, is killed again and again. Exits 1 with what is wrong. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchLab, repository } from "../bench/lab-command.js";
import { surviveRestarts } from "../support/restart-survival.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { countOf, toolOptions } from "../support/tool-options.js";

const { containers, rounds } = toolOptions(
  { name: "soak", usage: "npm run soak -- restarts [--containers N] [--rounds N]" },
  {
    args: process.argv.slice(3),
    options: { containers: { type: "string", default: "100" }, rounds: { type: "string", default: "10" } },
  },
  ({ values }) => ({ containers: countOf(values.containers, "containers"), rounds: countOf(values.rounds, "rounds") }),
);
const folder = mkdtempSync(join(tmpdir(), "soak-restarts-"));
const lab = new BenchLab([join(repository, "deploy/lab"), "--name", "soak"]);
try {
  await lab.verb("up", "--bare", "--managers", "1", "--workers", "0");
  writeFileSync(join(folder, "image.tar"), busyboxTar());
  await lab.docker(1, ["import", join(folder, "image.tar"), "bb:v1"]);
  const host = {
    docker: (...args: readonly string[]) => lab.docker(1, args),
    verb: (verb: string) => lab.verb(verb, "1"),
    areThere: async (paths: readonly string[]) => paths.every((path) => existsSync(path)),
    folder,
    say: (line: string) => console.log(`restarts\t${line}`),
  };
  await surviveRestarts(host, { containers, rounds });
  console.log(`ok\t${containers} containers were disturbed by none of ${rounds} ends of their daemon`);
} catch (cause) {
  console.log(`VIOLATION\t${cause instanceof Error ? cause.message : String(cause)}`);
  process.exitCode = 1;
} finally {
  await lab.verb("down");
  rmSync(folder, { recursive: true, force: true });
}

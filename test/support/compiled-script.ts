import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const REPOSITORY = resolve(import.meta.dirname, "../..");

/**
 * Compiles a script of the tests, with what it imports, into `folder` (made), and returns the path of its JavaScript: for a script that is started a hundred times,
 * since compiling at each start takes longer than all that it does. What it finds beside the sources is there too.
 */
export function compileScript(script: string, folder: string): string {
  mkdirSync(folder);
  for (const name of ["node_modules", "native", "package.json"]) symlinkSync(join(REPOSITORY, name), join(folder, name));
  const compilerOptions = { noEmit: false, noCheck: true, rootDir: REPOSITORY, outDir: folder };
  const config = join(folder, "tsconfig.json");
  writeFileSync(config, JSON.stringify({ extends: join(REPOSITORY, "test/tsconfig.json"), compilerOptions, include: [], files: [script] }));
  execFileSync(join(REPOSITORY, "node_modules/.bin/tsc"), ["-p", config], { stdio: ["ignore", "inherit", "inherit"] });
  return join(folder, relative(REPOSITORY, script).replace(/\.ts$/, ".js"));
}

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../../bench/lab-command.js";

/** What the machine has of this checkout: its build, its tests, and the packages of both. */
const PARTS = ["package.json", "tsconfig.json", "dist", "src", "proto", "test", "deploy", "native/build"];
/** Large, and nobody asks for them at run time. */
const PACKAGES_LEFT_OUT = new Set(["@biomejs", "@typescript", ".cache", ".vite"]);

export interface DiskOptions {
  /** Where to make it, empty. */
  readonly folder: string;
  /** Test files, as paths of the repository; none means all. */
  readonly files: readonly string[];
  /** How long they may take. */
  readonly seconds: number;
}

/** Makes an image of a file system that the machine mounts at /opt/swarmd, and returns its path. */
export function makeDisk({ folder, files, seconds }: DiskOptions): string {
  const content = join(folder, "content");
  for (const part of PARTS) cpSync(join(repository, part), join(content, part), { recursive: true, verbatimSymlinks: true });
  for (const name of readdirSync(join(repository, "node_modules"))) {
    if (!PACKAGES_LEFT_OUT.has(name)) {
      cpSync(join(repository, "node_modules", name), join(content, "node_modules", name), { recursive: true, verbatimSymlinks: true });
    }
  }
  mkdirSync(join(content, "bin"));
  copyFileSync(process.execPath, join(content, "bin/node"));
  copyFileSync(join(import.meta.dirname, "guest/start"), join(content, "start"));
  writeFileSync(join(content, "files"), files.map((file) => `${file}\n`).join(""));
  writeFileSync(join(content, "seconds"), String(seconds));
  const image = join(folder, "disk.img");
  execFileSync("mkfs.ext4", ["-q", "-F", "-O", "^has_journal", "-d", content, image, "1G"]);
  return image;
}

import { readFileSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

/** A folder of src/ imports only from lower heights and from itself. */
const HEIGHTS: Readonly<Record<string, number>> = {
  base: 0,
  model: 1,
  raft: 1,
  wire: 2,
  store: 2,
  pki: 2,
  kernel: 2,
  volumes: 2,
  rpc: 3,
  runtime: 3,
  network: 3,
  replica: 4,
  manager: 4,
  engine: 4,
  agent: 5,
  api: 5,
  cli: 5,
  node: 6,
  main: 7,
};

/** Packages with one home; everything else reaches them through it. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  protobufjs: ["wire"],
  level: ["replica"],
  "classic-level": ["replica"],
  "node-forge": ["pki"],
  "@grpc/grpc-js": ["rpc", "api"],
  fastify: ["api"],
  pino: ["base"],
  commander: ["cli", "main"],
};

const root = resolve(import.meta.dirname, "../src");
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => join(entry.parentPath, entry.name));
const folderOf = (path: string) => relative(root, path).split("/")[0] ?? "";
const importsOf = (text: string) =>
  [...text.matchAll(/^(?:import|export)\b[^"';]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? "",
  );

test("every folder has a height", () => {
  expect([...new Set(files.map(folderOf))].filter((folder) => HEIGHTS[folder] === undefined)).toEqual([]);
});

test.each(files.map((file) => [relative(root, file), file]))("%s imports only from below", (name, file) => {
  const folder = folderOf(file);
  const wrong = importsOf(readFileSync(file, "utf8")).filter((specifier) => {
    if (specifier.startsWith(".")) {
      const target = folderOf(resolve(file, "..", specifier));
      return target !== folder && (HEIGHTS[target] ?? 99) >= (HEIGHTS[folder] ?? -1);
    }
    if (folder === "raft") return true;
    const home = Object.entries(HOMES).find(([name]) => specifier === name || specifier.startsWith(`${name}/`));
    return home !== undefined && !home[1].includes(folder);
  });
  expect(wrong, name).toEqual([]);
});

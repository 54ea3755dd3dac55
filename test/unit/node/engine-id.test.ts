import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../../src/base/log.js";
import { openEngineId } from "../../../src/node/engine-id.js";

let folder: string;
const at = (path: string) => join(folder, path);
const open = () => openEngineId({ dataRoot: at("data"), execRoot: at("run"), logger: silentLogger });
const refusal = (path: string) =>
  open().then(
    () => expect.fail("the data root was taken"),
    (cause: unknown) => (cause as Error).message.replaceAll(folder, path),
  );

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "engine-id-"));
  for (const name of ["data", "run"]) await mkdir(at(name));
});
afterEach(() => rm(folder, { recursive: true }));

test("the id is drawn once, and stays also when the host was restarted", async () => {
  const id = await open();
  expect(id).toMatch(/^[0-9a-z]{25}$/);
  expect(await open()).toBe(id);
  await rm(at("run"), { recursive: true });
  await mkdir(at("run"));
  expect(await open()).toBe(id);
  expect(await readFile(at("run/engine-id"), "utf8")).toBe(`${id}\n`);
});

test("an empty folder in place of the data root is refused and stays empty, and the data root is taken when it is back", async () => {
  const id = await open();
  await rename(at("data"), at("away"));
  await mkdir(at("data"));
  expect(await refusal("/r")).toBe(
    "the data root /r/data is not the one that this host's daemon had last: /r/data/engine-id is missing, " +
      `/r/run/engine-id says "${id}"; mount the right one, or remove /r/run/engine-id to go on with what is there, which ends the containers that it knows nothing of`,
  );
  expect(await readdir(at("data"))).toEqual([]);
  await rm(at("data"), { recursive: true });
  await rename(at("away"), at("data"));
  expect(await open()).toBe(id);
});

test("another host's data root is refused, and taken when the operator wants it", async () => {
  const id = await open();
  await writeFile(at("data/engine-id"), "another\n");
  expect(await refusal("/r")).toContain(`/r/data/engine-id says "another", /r/run/engine-id says "${id}"; mount the right one`);
  await rm(at("run/engine-id"));
  expect(await open()).toBe("another");
});

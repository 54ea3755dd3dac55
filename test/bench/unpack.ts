import { execFile } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.js";
import { silentLogger } from "../../src/base/log.js";
import { LocalImageStore } from "../../src/runtime/images/local-image-store.js";
import { Unpacker } from "../../src/runtime/images/unpacker.js";
import { writeLayout } from "../support/oci-layout.js";
import { UNPACKER_PATH } from "../support/unpacker.js";
import type { BenchOptions, Figure } from "./main.js";

const run = promisify(execFile);

/** What a layer of about 200 MB is made of: what any Debian with Node.js has. */
const FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/share", "/usr/bin"];
const LAYER_BYTES = 200e6;
const PART_BYTES = 70e6;

/** One image of three layers in gzip, unpacked by our program and by umoci in turn; and loaded as a whole, down to the disk. */
export async function benchUnpack({ runs, say }: BenchOptions): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "bench-unpack-"));
  try {
    say("making an image of 200 MB");
    const layout = join(folder, "layout");
    writeLayout(layout, [{ layers: await layersOf(folder) }]);
    const archive = join(folder, "image.tar");
    await run("tar", ["-C", layout, "-cf", archive, "."]);
    const times = { ours: [] as number[], umoci: [] as number[], load: [] as number[] };
    for (let round = 0; round < runs; round++) {
      say(`unpacking, run ${round + 1} of ${runs}`);
      times.umoci.push(await timed(() => run("umoci", ["unpack", "--image", `${layout}:v1`, join(folder, `bundle-${round}`)])));
      times.ours.push(await timed(() => unpackAll(folder, layout, round)));
      times.load.push(await timed(() => load(join(folder, `store-${round}`), archive)));
      for (const name of readdirSync(folder)) if (name.endsWith(`-${round}`)) rmSync(join(folder, name), { recursive: true });
    }
    return [
      {
        name: "unpacking 200 MB in 3 layers of gzip",
        unit: "s",
        ours: median(times.ours),
        peer: median(times.umoci),
        peerName: "umoci",
        target: 1.3 * median(times.umoci),
      },
      {
        name: "the same from an archive into the store, synced to the disk",
        unit: "s",
        ours: median(times.load),
        peer: median(times.umoci),
        peerName: "umoci, not synced",
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function layersOf(folder: string): Promise<Buffer[]> {
  const parts: string[][] = [[]];
  let [all, part] = [0, 0];
  for (const path of FOLDERS.filter(existsSync).flatMap((base) => readdirSync(base).map((name) => join(base, name)))) {
    const sizeBytes = Number((await run("du", ["-sxb", path])).stdout.split("\t")[0]);
    if (all + sizeBytes > LAYER_BYTES || sizeBytes > PART_BYTES) continue;
    if (part + sizeBytes > PART_BYTES) {
      parts.push([]);
      part = 0;
    }
    parts.at(-1)?.push(path.slice(1));
    all += sizeBytes;
    part += sizeBytes;
  }
  return Promise.all(
    parts.map(async (paths, index) => {
      const file = join(folder, `layer${index}.tar`);
      await run("tar", ["-C", "/", "-cf", file, ...paths]);
      const chunks: Buffer[] = [];
      for await (const chunk of createReadStream(file)) chunks.push(chunk as Buffer);
      rmSync(file);
      return Buffer.concat(chunks);
    }),
  );
}

/** The layers one after the other, as umoci does. */
async function unpackAll(folder: string, layout: string, round: number): Promise<void> {
  const unpacker = new Unpacker({ program: UNPACKER_PATH, folder, logger: silentLogger });
  const blobs = readdirSync(join(layout, "blobs/sha256")).filter((name) => statSync(join(layout, "blobs/sha256", name)).size > 1e5);
  for (const [index, name] of blobs.entries()) {
    mkdirSync(join(folder, `layer${index}-${round}`));
    await unpacker.unpack(`layout/blobs/sha256/${name}`, `layer${index}-${round}`);
  }
}

async function load(dataRoot: string, archive: string): Promise<void> {
  const store = await LocalImageStore.open({ dataRoot, unpackerPath: UNPACKER_PATH, clock: systemClock, logger: silentLogger });
  await store.load(createReadStream(archive));
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await call();
  return (performance.now() - startMs) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeDisk } from "../../../src/replica/node-disk.js";
import { describeDisk } from "../../conformance/disk.js";

describeDisk("of this machine", async () => {
  const folder = await mkdtemp(join(tmpdir(), "disk-"));
  return { disk: nodeDisk, folder, dispose: () => rm(folder, { recursive: true, force: true }) };
});

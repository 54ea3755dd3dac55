import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import { ContainerWorld, containerConfig } from "../../support/container-world.js";

test("a container whose image is removed while it is made is not made, and leaves nothing", async () => {
  const world = await ContainerWorld.open();
  try {
    const { images, runtime } = world;
    const layerFolders = images.layerFolders.bind(images);
    const config = containerConfig();
    const folder = join(world.folder, "data", "containers", config.id);
    // It is removed when the container's own folder is there.
    images.layerFolders = (id) => {
      if (existsSync(folder)) throw new ClusterError("not_found", `No such image: ${id}`);
      return layerFolders(id);
    };
    await expect(runtime.create(config)).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining("No such image") });
    expect(runtime.inspect(config.id)).toBeUndefined();
    expect(existsSync(folder)).toBe(false);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

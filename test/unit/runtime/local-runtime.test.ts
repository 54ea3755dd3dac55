import { describeContainerRuntime } from "../../conformance/container-runtime.js";
import { ContainerWorld, containerConfig } from "../../support/container-world.js";

describeContainerRuntime("local runtime over swarm-shim", async () => {
  const world = await ContainerWorld.open();
  return {
    runtime: world.runtime,
    config: () => containerConfig(),
    brokenConfig: () => containerConfig({ command: ["no-such-program"] }),
    dispose: () => world[Symbol.asyncDispose](),
  };
});

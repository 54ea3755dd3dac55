import { FakeClock } from "../../../src/base/clock.js";
import { ClusterError } from "../../../src/base/errors.js";
import { describeContainerRuntime } from "../../conformance/container-runtime.js";
import { containerConfig } from "../../support/container-world.js";
import { FakeRuntime } from "../../support/fake-runtime.js";

/** The fake whose programs do what the suite's program does. */
class PlayingRuntime extends FakeRuntime {
  override async start(id: string): Promise<void> {
    await super.start(id);
    this.write(id, "ready");
  }

  override async kill(id: string, signal: string): Promise<void> {
    if (signal === "SIGUSR1") this.exit(id, 7);
    else await super.kill(id, signal);
  }
}

describeContainerRuntime("fake", async () => {
  const runtime = new PlayingRuntime(new FakeClock());
  runtime.beforeStart = (config) => {
    if (config.command[0] === "no-such-program") throw new ClusterError("failed_precondition", "executable file not found");
  };
  return { runtime, config: () => containerConfig(), brokenConfig: () => containerConfig({ command: ["no-such-program"] }), dispose: async () => {} };
});

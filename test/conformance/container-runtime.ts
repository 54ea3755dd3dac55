import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newContainerId } from "../../src/base/ids.js";
import type { ContainerConfig } from "../../src/runtime/container-config.js";
import type { ContainerLogOptions, ContainerRuntime } from "../../src/runtime/container-runtime.js";
import { collectGarbage } from "../support/collect-garbage.js";

/** What the suite needs of an implementation. */
export interface RuntimeWorld {
  readonly runtime: ContainerRuntime;
  /** Settings of a new container whose program prints `ready` on stdout, ends with 7 at SIGUSR1 and with 0 at SIGTERM. */
  config(): ContainerConfig;
  /** The same with a program that cannot be executed. */
  brokenConfig(): ContainerConfig;
  dispose(): Promise<void>;
}

const ALL: ContainerLogOptions = { follow: false, stdout: true, stderr: true, sinceNs: 0n, untilNs: 0n, tail: -1 };

/** The signal by which a wait was given up, for as long as somebody holds it. */
async function givenUp(runtime: ContainerRuntime, id: string): Promise<WeakRef<AbortSignal>> {
  const controller = new AbortController();
  const waiting = runtime.wait(id, controller.signal).catch(() => undefined);
  controller.abort();
  await waiting;
  return new WeakRef(controller.signal);
}

/** The contract of ContainerRuntime, to be run on the real one and on every fake. */
export function describeContainerRuntime(name: string, open: () => Promise<RuntimeWorld>): void {
  describe(`ContainerRuntime: ${name}`, () => {
    let world: RuntimeWorld;
    beforeAll(async () => {
      world = await open();
    });
    afterAll(() => world.dispose());

    async function started(): Promise<ContainerConfig> {
      const config = world.config();
      await world.runtime.create(config);
      await world.runtime.start(config.id);
      await firstLine(world.runtime, config.id);
      return config;
    }

    test("a created container is not running and can be found by id, name and prefix", async () => {
      const config = world.config();
      await world.runtime.create(config);
      expect(world.runtime.inspect(config.id)).toMatchObject({ state: "created", pid: 0, startedAtMs: 0, exit: null, config });
      expect(world.runtime.inspect(config.name)?.config.id).toBe(config.id);
      expect(world.runtime.inspect(config.id.slice(0, 12))?.config.id).toBe(config.id);
      expect(world.runtime.list().some((info) => info.config.id === config.id)).toBe(true);
      await world.runtime.remove(config.id);
      expect(world.runtime.inspect(config.id)).toBeUndefined();
    });

    test("a name or an id in use is refused", async () => {
      const config = world.config();
      await world.runtime.create(config);
      await expect(world.runtime.create({ ...world.config(), name: config.name })).rejects.toMatchObject({ code: "already_exists" });
      await expect(world.runtime.create({ ...world.config(), id: config.id })).rejects.toMatchObject({ code: "already_exists" });
      expect(world.runtime.inspect(config.id)).toBeDefined();
      await world.runtime.remove(config.id);
    });

    test("a container that is not there is not found", async () => {
      const id = newContainerId();
      await expect(world.runtime.start(id)).rejects.toMatchObject({ code: "not_found" });
      await expect(world.runtime.kill(id, "SIGTERM")).rejects.toMatchObject({ code: "not_found" });
      await expect(world.runtime.remove(id)).rejects.toMatchObject({ code: "not_found" });
    });

    test("it runs, is waited for, and keeps its exit", async () => {
      const config = await started();
      expect(world.runtime.inspect(config.id)).toMatchObject({ state: "running", exit: null });
      expect(world.runtime.inspect(config.id)?.startedAtMs).toBeGreaterThan(0);
      const exit = world.runtime.wait(config.id);
      await world.runtime.kill(config.id, "SIGUSR1");
      expect(await exit).toMatchObject({ exitCode: 7, isOutOfMemory: false });
      expect(world.runtime.inspect(config.id)).toMatchObject({ state: "exited", pid: 0, exit: { exitCode: 7 } });
      expect(await world.runtime.wait(config.id)).toMatchObject({ exitCode: 7 });
      await world.runtime.remove(config.id);
    });

    test("SIGKILL ends with 137", async () => {
      const config = await started();
      await world.runtime.kill(config.id, "SIGKILL");
      expect(await world.runtime.wait(config.id)).toMatchObject({ exitCode: 137 });
      await world.runtime.remove(config.id);
    });

    test("stop sends the stop signal, and does nothing to what is not running", async () => {
      const config = await started();
      await world.runtime.stop(config.id, 10_000);
      expect(world.runtime.inspect(config.id)).toMatchObject({ state: "exited", exit: { exitCode: 0 } });
      await world.runtime.stop(config.id, 10_000);
      await expect(world.runtime.kill(config.id, "SIGTERM")).rejects.toMatchObject({ code: "failed_precondition" });
      await world.runtime.remove(config.id);
    });

    test("waiting ends with its signal's reason", async () => {
      const config = await started();
      const reason = new Error("no longer interested");
      const controller = new AbortController();
      const waiting = world.runtime.wait(config.id, controller.signal);
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      await world.runtime.remove(config.id, { force: true });
    });

    test("who gives up waiting leaves nothing behind, however long the container runs", async () => {
      const config = await started();
      const signals = await Promise.all(Array.from({ length: 50 }, () => givenUp(world.runtime, config.id)));
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      expect(signals.filter((signal) => signal.deref() !== undefined).length).toBeLessThan(signals.length / 2);
      await world.runtime.remove(config.id, { force: true });
    });

    test("who waits for a container that is removed unstarted is told", async () => {
      const config = world.config();
      await world.runtime.create(config);
      const { signal } = new AbortController();
      const waits = [world.runtime.wait(config.id), world.runtime.wait(config.id, signal)];
      const waiting = Promise.all(waits.map((wait) => expect(wait).rejects.toMatchObject({ code: "not_found" })));
      await world.runtime.remove(config.id);
      await waiting;
    });

    test("the log of a container that is started later can be followed from before", async () => {
      const config = world.config();
      await world.runtime.create(config);
      const line = firstLine(world.runtime, config.id);
      await world.runtime.start(config.id);
      await line;
      await world.runtime.remove(config.id, { force: true });
    });

    test("a running container is removed only by force", async () => {
      const config = await started();
      await expect(world.runtime.remove(config.id)).rejects.toMatchObject({ code: "failed_precondition" });
      expect(world.runtime.inspect(config.id)?.state).toBe("running");
      await world.runtime.remove(config.id, { force: true });
      expect(world.runtime.inspect(config.id)).toBeUndefined();
    });

    test("a program that cannot be executed fails the start and leaves the container created", async () => {
      const config = world.brokenConfig();
      await world.runtime.create(config);
      await expect(world.runtime.start(config.id)).rejects.toMatchObject({ code: "failed_precondition" });
      expect(world.runtime.inspect(config.id)).toMatchObject({ state: "created", pid: 0 });
      await world.runtime.remove(config.id);
    });

    test("the log has what was printed, and following ends with the container", async () => {
      const config = await started();
      const followed: string[] = [];
      const following = (async () => {
        for await (const line of world.runtime.logs(config.id, { ...ALL, follow: true }, new AbortController().signal)) followed.push(textOf(line.data));
      })();
      await world.runtime.stop(config.id, 10_000);
      await following;
      expect(followed).toEqual(["ready\n"]);
      const lines = [];
      for await (const line of world.runtime.logs(config.id, { ...ALL, stdout: false }, new AbortController().signal)) lines.push(line);
      expect(lines).toEqual([]);
      await world.runtime.remove(config.id);
    });
  });
}

async function firstLine(runtime: ContainerRuntime, id: string): Promise<void> {
  for await (const line of runtime.logs(id, { ...ALL, follow: true }, new AbortController().signal)) {
    expect(textOf(line.data)).toBe("ready\n");
    return;
  }
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data).toString();
}

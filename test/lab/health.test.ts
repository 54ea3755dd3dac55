import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dockerClients, TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { busyboxTar } from "../support/root-filesystem.js";
import { until } from "../support/until.js";

const QUICK = ["--health-interval", "200ms", "--health-timeout", "20s", "--health-retries", "2"];
/** Healthy once somebody makes the file, unhealthy when it goes. */
const BY_FILE = ["--health-cmd", "test -e /tmp/well", ...QUICK];

/** Health of containers and services by the stock command line; the swarm has one node. */
describe("health checks", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const inspected = (name: string, format: string) => must("inspect", name, "--format", format);
  const becomes = (name: string, status: string) =>
    until(`${name} is ${status}`, async () => (await inspected(name, "{{.State.Health.Status}}")) === status, 30);
  const containerOf = async (service: string) =>
    until("it has a container", async () => (await must("ps", "-q", "--filter", `name=${service}.1.`)) || undefined, 30);

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await docker.importBusybox([1]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("a container goes from starting to healthy to unhealthy and back, and everybody can see it", async () => {
    const began = Math.floor(Date.now() / 1000) - 1;
    // Debian's docker does not know the interval of the start period.
    const slow = ["--health-start-period", "1h", "--health-start-interval", "100ms"];
    const made = await lab.run(["node", "dist/main/swarm.js", "-H", await lab.lab("socket", "1"), "run", "-d", "--name", "web", ...BY_FILE, ...slow, "bb:v1"]);
    expect(made.code, made.stderr).toBe(0);
    await until("it was tested", async () => Number(await inspected("web", "{{len .State.Health.Log}}")) > 0);
    expect(await inspected("web", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}")).toBe("starting 0");
    expect(await must("ps", "--format", "{{.Names}} {{.Status}}")).toMatch(/^web Up .*\(health: starting\)$/);
    await must("exec", "web", "touch", "/tmp/well");
    await becomes("web", "healthy");
    expect(await must("ps", "--filter", "health=healthy", "--format", "{{.Names}} {{.Status}}")).toMatch(/^web Up .*\(healthy\)$/);
    expect(await must("ps", "--filter", "health=none", "--filter", "health=unhealthy", "-q")).toBe("");
    await must("exec", "web", "rm", "/tmp/well");
    await becomes("web", "unhealthy");
    expect(Number(await inspected("web", "{{len .State.Health.Log}}"))).toBeLessThanOrEqual(5);
    const failures = Number(await inspected("web", "{{.State.Health.FailingStreak}}"));
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    const [status, streak, results] = (await inspected("web", "{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{len .State.Health.Log}}")).split(" ");
    expect(status).toBe("unhealthy");
    // The last one may have been on its way to the disk.
    expect(Number(streak)).toBeGreaterThanOrEqual(failures - 1);
    expect(Number(results)).toBeGreaterThan(1);
    await must("exec", "web", "touch", "/tmp/well");
    await becomes("web", "healthy");
    const told = await must(
      "events",
      "--since",
      `${began}`,
      "--until",
      `${Math.floor(Date.now() / 1000) + 1}`,
      "--filter",
      "event=health_status",
      "--format",
      "{{.Action}}",
    );
    expect(told.split("\n").at(-1)).toBe("health_status: healthy");
    await must("rm", "-f", "web");
  });

  test("the image's health check holds, is overridden, and is switched off", async () => {
    const host = await lab.lab("socket", "1");
    const change = ["--change", "HEALTHCHECK --interval=200ms CMD echo from the image", "--change", 'CMD ["sleep","1000"]'];
    const outcome = await lab.run([dockerClients()[0] ?? "docker", "-H", host, "import", ...change, "-", "checked:v1"], { input: busyboxTar() });
    expect(outcome.code, outcome.stderr).toBe(0);
    await must("run", "-d", "--name", "own", "checked:v1");
    await becomes("own", "healthy");
    expect(await inspected("own", "{{(index .State.Health.Log 0).Output}}{{.Config.Healthcheck.Test}}")).toBe(
      "from the image\n[CMD-SHELL echo from the image]",
    );
    await must("run", "-d", "--name", "other", "--health-cmd", "exit 4", "--health-retries", "1", "checked:v1");
    await becomes("other", "unhealthy");
    expect(await inspected("other", "{{(index .State.Health.Log 0).ExitCode}}")).toBe("4");
    await must("run", "-d", "--name", "none", "--no-healthcheck", "checked:v1");
    expect(await inspected("none", "{{.State.Health}}")).toBe("<nil>");
    await must("rm", "-f", "own", "other", "none");
  });

  test("a service's tasks run once they are healthy; one that turns unhealthy is replaced and says why", async () => {
    // Failures before it was healthy for the first time do not count: it waits for the file, however long that takes.
    const flags = ["--restart-delay", "10ms", "--stop-grace-period", "1s", ...BY_FILE, "--health-start-period", "1h"];
    await must("service", "create", "--quiet", "--detach", "--name", "api", ...flags, "bb:v1");
    const first = await containerOf("api");
    await until("it was tested", async () => Number(await inspected(first, "{{len .State.Health.Log}}")) > 0);
    expect(await docker.tasks(1, "api")).toMatchObject([{ desired: "Running", state: "Starting" }]);
    await must("exec", first, "touch", "/tmp/well");
    await docker.running(1, "api", 1);
    await must("exec", first, "rm", "/tmp/well");
    const failed = await until("it has failed", async () => (await docker.tasks(1, "api")).find((task) => task.state === "Failed"));
    expect(failed.error).toMatch(/^"task: non-zero exit \(\d+\): unhealthy container"$/);
    await until("it is replaced", async () => (await docker.tasks(1, "api")).some((task) => task.desired === "Running" && task.id !== failed.id));
    await must("service", "rm", "api");
  });

  test("an update whose tasks never become healthy is rolled back, by our own command line", async () => {
    const host = await lab.lab("socket", "1");
    const swarm = async (...args: readonly string[]) => lab.run(["node", "dist/main/swarm.js", "-H", host, "service", ...args]);
    const flags = ["--update-failure-action", "rollback", "--update-monitor", "500ms", "--stop-grace-period", "1s", "--restart-delay", "10ms"];
    const created = await swarm("create", "--quiet", "--name", "careful", "--health-cmd", "true", ...QUICK, ...flags, "bb:v1");
    expect(created.code, created.stderr).toBe(0);
    const updated = await swarm("update", "--quiet", "--health-cmd", "exit 1", "careful");
    expect(updated.code).not.toBe(0);
    await until("it is rolled back", async () => (await docker.updateState(1, "careful")) === "rollback_completed", 30);
    expect(await must("service", "inspect", "careful", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Healthcheck.Test}}")).toBe("[CMD-SHELL true]");
    await docker.running(1, "careful", 1);
    const off = await swarm("update", "--quiet", "--no-healthcheck", "careful");
    expect(off.code, off.stderr).toBe(0);
    const [task] = await docker.running(1, "careful", 1);
    expect(task).toBeDefined();
    expect(await inspected(await containerOf("careful"), "{{.State.Health}}")).toBe("<nil>");
    await must("service", "rm", "careful");
  });
});

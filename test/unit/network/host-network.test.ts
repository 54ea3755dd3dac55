import { spawn } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { describeAsRoot } from "../../support/privileges.js";

/** Runs the scenario in namespaces that vanish with it, whatever happens. */
function playScenario(): Promise<Record<string, unknown>> {
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const child = spawn("unshare", [...namespaces, process.execPath, "--import", "tsx", join(import.meta.dirname, "scenario.ts")]);
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("close", (code) => (code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`scenario ended with ${code}: ${errors}`))));
  });
}

describeAsRoot("on a real kernel", () => {
  let seen: Record<string, unknown>;
  const everywhere = { loopback: "A", ownAddress: "A", client: "A", otherContainer: "A", itself: "A" };

  beforeAll(async () => {
    seen = await playScenario();
  });

  test("a published port is reached from everywhere", () => {
    expect(seen).toMatchObject({ isSameNetwork: true, reach: everywhere, ephemeral: "A", isEphemeral: true });
  });

  test("containers reach the world and each other; the world reaches only published ports", () => {
    expect(seen).toMatchObject({ outbound: "client", neighbour: "A", direct: "failed" });
  });

  test("a port that is taken is refused by name, and all of an attempt is given back", () => {
    expect(seen).toMatchObject({
      conflict: "already_exists: port 8080/tcp is already in use on this host by a container",
      otherProtocol: "attached",
      listener: "already_exists: port 9090/tcp is already in use on this host by a program",
      afterListener: "attached",
    });
  });

  test("a port on one address is reached there alone, and one on loopback by the host alone", () => {
    expect(seen.onAddress).toEqual({
      own: ["E", "failed", "failed", "failed"],
      other: ["E", "E", "failed"],
      elsewhere: "invalid_argument: port 8181/tcp cannot be published on 192.0.2.9: this host does not have that address",
    });
  });

  test("a restart disturbs nobody and sweeps what is nobody's", () => {
    expect(seen).toMatchObject({
      afterRestart: everywhere,
      links: ["vab12cd34aaaaaa", "vab12cd34bbbbbb"],
      conflictAfterRestart: "already_exists: port 8080/tcp is already in use on this host by a container",
      nextAddress: "172.30.0.5/16",
    });
  });

  test("detaching gives the port back; it can be done twice", () => {
    expect(seen.afterDetach).toEqual({ loopback: "failed", again: "attached" });
  });

  test("the packet filter's process is started again when it died", () => {
    expect(seen.afterKill).toBe("attached");
  });

  test("rules that somebody else flushed are made anew with the next change", () => {
    expect(seen.afterFlush).toEqual({ port: 8383, other: "B", outbound: "client" });
  });

  test("destroying leaves nothing", () => {
    expect(seen.afterDestroy).toEqual({ bridge: "", rules: "", links: [] });
  });
});

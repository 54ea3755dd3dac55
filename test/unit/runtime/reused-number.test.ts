import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OCI_PATH } from "../../support/oci-bundle.js";
import { describeAsRoot } from "../../support/privileges.js";

/**
 * The first process of a namespace: `kill --all` on a group with one member is held up before a certain call, after it has looked at the group so many times. Meanwhile
 * the member ends, and its number goes to another process. Says what became of that one.
 */
const SCRIPT = `
oci=$1 state=$2 group=$3 call=$4 which=$5 looks=$6
mkdir -p "$state/c" "$group"
sleep 1000 & member=$!
echo $member >"$group/cgroup.procs"
echo '{"ociVersion":"1.0.2","bundle":"/","pid":1000000,"startTime":"1","cgroups":[{"path":"'"$group"'","isUnified":false}]}' >"$state/c/container.json"
strace -o "$state/trace" -e trace=openat,$call -e inject=$call:delay_enter=2000000:when=$which "$oci" --root "$state" kill --all c KILL & tracer=$!
until [ "$(grep -c 'cgroup.procs' "$state/trace" 2>/dev/null)" = $looks ]; do sleep 0.01; done
kill -9 $member; wait $member 2>/dev/null
echo $((member - 1)) >/proc/sys/kernel/ns_last_pid
sleep 1000 & other=$!
wait $tracer && echo "took $([ $other = $member ] && echo its || echo another) number"
kill -0 $other && echo lives; kill -9 $other
`;

describeAsRoot("a process that was given the number of a container's, which has ended meanwhile", () => {
  test.each([
    ["pidfd_send_signal", 1, 2],
    ["pidfd_open", 2, 1],
  ])("is not signalled in its place: %s", (call, which, looks) => {
    const state = mkdtempSync(join(tmpdir(), "swarm-oci-"));
    const group = join(readFileSync("/proc/mounts", "utf8").match(/ (\S*\/pids) cgroup /)?.[1] ?? "/sys/fs/cgroup", `test-${randomBytes(4).toString("hex")}`);
    try {
      const words = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SCRIPT, "sh", OCI_PATH, state, group, call, String(which), String(looks)];
      const { stdout, stderr } = spawnSync("unshare", words, { encoding: "utf8", timeout: 30_000 });
      expect(readFileSync(join(state, "trace"), "utf8")).toContain("(DELAYED)");
      expect(stdout, stderr).toBe("took its number\nlives\n");
    } finally {
      rmdirSync(group);
      rmSync(state, { recursive: true });
    }
  });
});

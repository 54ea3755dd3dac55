import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

/** Each datagram as a line of a file, with its own newlines as spaces. */
const JOURNAL = `use Socket; socket(my $s, PF_UNIX, SOCK_DGRAM, 0); bind($s, sockaddr_un($ARGV[0])) or die; open(my $f, ">>", $ARGV[1]); $f->autoflush(1);
while (defined recv($s, my $d, 1 << 20, 0)) { $d =~ s/\\n/ /g; print $f "$d\\n"; }`;
/** What comes over any connection, in a file. */
const SYSLOG = `use IO::Socket::INET; use IO::Handle; my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ARGV[0]", Listen => 9, ReuseAddr => 1) or die;
open(my $f, ">>", $ARGV[1]); $f->autoflush(1); while (my $c = $l->accept) { while (sysread($c, my $d, 65536)) { print $f $d; } }`;
const GOT = "/run/systemd/got";

/** Log drivers by the stock command line; journald's socket is a test's own, in the lab's mount namespace. */
describe("log drivers", () => {
  let lab: TestLab;
  let docker: LabDocker;
  const must = (...args: readonly string[]) => docker.must(1, ...args);
  const logs = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await docker.try(1, "logs", ...args);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const textOf = async (name: string) => (await lab.run(["cat", `${GOT}-${name}`])).stdout;
  const SCRIPT = "echo one; echo two; sleep 1.1; echo three";

  beforeAll(async () => {
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    const made = await lab.run(["bash", "-c", "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/journal"]);
    expect(made.code, made.stderr).toBe(0);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    await docker.importBusybox([1]);
    // Both end with the lab.
    void lab.run(["perl", "-MIO::Handle", "-e", JOURNAL, "/run/systemd/journal/socket", `${GOT}-journal`]);
    void lab.run(["deploy/lab", "--name", lab.name, "exec", "1", "perl", "-e", SYSLOG, "5514", `${GOT}-syslog`]);
    await until("both receivers are there", async () => (await lab.run(["test", "-e", `${GOT}-journal`, "-a", "-e", `${GOT}-syslog`])).code === 0);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test.each([
    ["json-file", ["tag=t", "max-size=1m", "max-file=2", "compress=true"]],
    ["local", ["max-size=1m"]],
    ["journald", ["tag=t"]],
    ["syslog", ["syslog-address=tcp://127.0.0.1:5514", "tag=t"]],
  ])("docker logs reads %s: all, the end, a time on, with times and details, and following", async (driver, options) => {
    const flags = ["--log-driver", driver, ...options.flatMap((option) => ["--log-opt", option])];
    await must("run", "-d", "--name", driver, ...flags, "bb:v1", "sh", "-c", SCRIPT);
    expect(await logs("--follow", driver)).toBe("one\ntwo\nthree\n");
    expect(await logs("--tail", "1", driver)).toBe("three\n");
    const timed = await logs("--timestamps", driver);
    expect(timed).toMatch(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (one|two|three)\n){3}$/);
    const last = timed.split("\n")[2]?.split(" ")[0] ?? "";
    expect(await logs("--since", last, driver)).toBe("three\n");
    expect(await logs("--until", timed.split("\n")[1]?.split(" ")[0] ?? "", driver)).toBe("one\ntwo\n");
    if (driver !== "local") expect(await logs("--details", "--tail", "1", driver)).toBe("tag=t three\n");
    expect(await must("inspect", driver, "--format", "{{.HostConfig.LogConfig.Type}}")).toBe(driver);
    await must("rm", driver);
  });

  test("journald and the syslog server have got the same", async () => {
    await until("the journal has the last line", async () => (await textOf("journal")).includes("MESSAGE=three"));
    expect(await textOf("journal")).toMatch(
      /^MESSAGE=one PRIORITY=6 SYSLOG_TIMESTAMP=\S+ CONTAINER_ID=[0-9a-f]{12} CONTAINER_ID_FULL=[0-9a-f]{64} CONTAINER_NAME=journald CONTAINER_TAG=t /,
    );
    await until("the server has the last line", async () => (await textOf("syslog")).includes("]: three\n"));
    expect(await textOf("syslog")).toMatch(/^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d t\[\d+\]: one\n/);
  });

  test("none is not read, and what there is not is refused with one sentence", async () => {
    await must("run", "--name", "quiet", "--log-driver", "none", "bb:v1", "echo", "gone");
    expect((await docker.try(1, "logs", "quiet")).stderr).toContain("configured logging driver does not support reading");
    await must("rm", "quiet");
    for (const [flags, sentence] of [
      [["--log-driver", "gelf"], "logger: no log driver named 'gelf' is registered"],
      [["--log-opt", "colour=red"], "unknown log opt 'colour' for json-file log driver"],
      [["--log-driver", "syslog", "--log-opt", "syslog-address=here"], "syslog-address should be in form proto://address, got here"],
    ] as const) {
      const outcome = await docker.try(1, "run", "--rm", ...flags, "bb:v1", "true");
      expect(outcome.code).toBe(125);
      expect(outcome.stderr).toContain(sentence);
    }
  });

  test("a daemon that is killed and started again loses no line of a container that goes on", async () => {
    const script = "i=0; while [ $i -lt 400 ]; do echo line-$i; i=$((i+1)); sleep 0.01; done";
    const flags = ["--log-driver", "syslog", "--log-opt", "syslog-address=tcp://127.0.0.1:5514", "--log-opt", "tag=kept"];
    await must("run", "-d", "--name", "kept", ...flags, "bb:v1", "sh", "-c", script);
    const lines = async () => (await textOf("syslog")).split("\n").flatMap((line) => /kept\[\d+\]: line-(\d+)$/.exec(line)?.[1] ?? []);
    await until("some arrived", async () => (await lines()).length > 50);
    await lab.lab("kill", "1");
    await lab.lab("start", "1");
    await until("all arrived", async () => (await lines()).includes("399"), 30);
    const got = await lines();
    expect([...new Set(got)]).toEqual(Array.from({ length: 400 }, (_, index) => `${index}`));
    // Killed between the line and the note of it, the daemon sends that one again.
    expect(got.length).toBeLessThanOrEqual(401);
    await must("rm", "-f", "kept");
  });

  test("a service's tasks have its driver, and service logs reads them", async () => {
    await docker.create("svc", ["--log-driver", "local", "--log-opt", "max-size=1m"], "sh", "-c", "echo from a task; sleep 1000");
    await docker.running(1, "svc", 1);
    const id = await must("ps", "-q", "--filter", "name=svc.1.");
    expect(await must("inspect", id, "--format", '{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}}')).toBe("local 1m");
    await until("it is read", async () => (await docker.must(1, "service", "logs", "--raw", "svc")) === "from a task");
    await must("service", "rm", "svc");
  });
});

import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ContainerWorld } from "../../support/container-world.js";
import { describeAsRoot } from "../../support/privileges.js";
import { Rsyslog } from "../../support/rsyslog.js";
import { until } from "../../support/until.js";

/** The syslog driver against the server that most Linux hosts have: what it makes of our messages is compared, not what we wrote. */
describeAsRoot("syslog driver and rsyslogd", () => {
  let world: ContainerWorld;
  let server: Rsyslog;

  beforeAll(async () => {
    world = await ContainerWorld.open();
    server = new Rsyslog(join(world.folder, "rsyslog"));
    await server.start();
  });

  afterEach(async () => {
    for (const { config } of world.runtime.list()) await world.runtime.remove(config.id, { force: true });
    // No connection was cut off: it would say so.
    expect(server.complaints).toEqual([]);
  });

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const addressOf = (transport: string) =>
    ({ udp: `udp://${server.address}`, tcp: `tcp://${server.address}:514`, tls: `tcp+tls://${server.address}:6514`, unixgram: `unixgram://${server.socket}` })[
      transport
    ] ?? "";

  const startLogged = (transport: string, tag: string, script: string, options: Readonly<Record<string, string>> = {}) => {
    const authority = transport === "tls" ? { "syslog-tls-ca-cert": server.authority } : {};
    const log = { driver: "syslog", options: { "syslog-address": addressOf(transport), tag, ...authority, ...options } };
    return world.start({ command: ["sh", "-c", script], log });
  };

  const messagesOf = (tag: string) => server.messages().filter(({ app }) => app === tag);

  const FORMATS = ["", "rfc3164", "rfc5424", "rfc5424micro"];
  const CASES = [...["udp", "tcp", "tls"].flatMap((transport) => FORMATS.map((format) => [transport, format] as const)), ["unixgram", ""] as const];

  test.each(CASES)("over %s in the form '%s' every part of a message arrives", async (transport, format) => {
    const tag = `${transport}-${format || "local"}`;
    const id = await startLogged(transport, tag, "echo 'one [x] two'; sleep 0.01; echo bad >&2", { "syslog-format": format, "syslog-facility": "local3" });
    const messages = await until("both lines have arrived", () => messagesOf(tag).length === 2 && messagesOf(tag));
    const isNew = format.startsWith("rfc5424");
    const common = { version: isNew ? "1" : "0", procid: `${process.pid}`, structured: "-", msgid: isNew ? tag : "-" };
    const space = isNew ? "" : " ";
    if (format !== "") expect(messages[0]?.hostname).toBe(hostname());
    expect(messages).toMatchObject([
      { ...common, pri: `${19 * 8 + 6}`, msg: `${space}one [x] two` },
      { ...common, pri: `${19 * 8 + 3}`, msg: `${space}bad` },
    ]);
    const times: bigint[] = [];
    for await (const { timestampNs } of world.logs(id)) times.push(timestampNs);
    const unitNs = format === "rfc5424micro" ? 1_000n : 1_000_000_000n;
    expect(messages.map(({ time }) => microsecondsOf(time) * 1_000n)).toEqual(times.map((time) => time - (time % unitNs)));
  });

  test.each(["tcp", "tls", "unixgram"])("over %s what is written while the server is away arrives when it is back, each line once", async (transport) => {
    const tag = `away-${transport}`;
    const id = await startLogged(
      transport,
      tag,
      'trap go=yes USR1; echo before; until [ -n "$go" ]; do sleep 0.02; done; for i in 1 2 3 4 5 6 7 8 9; do echo away-$i; done',
    );
    const texts = () => messagesOf(tag).map(({ msg }) => msg.trim());
    await until("the first line has arrived", () => texts().length === 1);
    await server.stop();
    await world.runtime.kill(id, "USR1");
    await world.runtime.wait(id);
    await server.start();
    await until("the rest has arrived", () => texts().includes("away-9"), 30);
    expect(texts()).toEqual(["before", ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => `away-${number}`)]);
  });
});

/** Of a time as rsyslog writes it, with up to six digits below the second. */
function microsecondsOf(time: string): bigint {
  const [, seconds = "", fraction = "", zone = ""] = /^([^.Z+-]+-[^.Z+-]+-[^.Z+-]+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  return BigInt(Date.parse(`${seconds}${zone}`)) * 1_000n + BigInt(fraction.padEnd(6, "0"));
}

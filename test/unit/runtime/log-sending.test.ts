import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../src/base/clock.js";
import type { LogLine } from "../../../src/runtime/container-runtime.js";
import { openJournaldSink } from "../../../src/runtime/logs/journald-sink.js";
import { ContainerWorld } from "../../support/container-world.js";
import { DatagramReceiver } from "../../support/datagram-receiver.js";
import { LOG_SOURCE } from "../../support/log-source.js";
import { numbered, printing } from "../../support/numbered-lines.js";
import { ownAddress } from "../../support/own-address.js";
import { until } from "../../support/until.js";

/** Where all receivers are. */
const HERE = ownAddress();

let world: ContainerWorld;
const folder = mkdtempSync(join(tmpdir(), "swarm-syslog-"));
beforeAll(async () => {
  world = await ContainerWorld.open();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const syslog = (address: string, options: Readonly<Record<string, string>> = {}) => ({
  driver: "syslog",
  options: { "syslog-address": address, tag: "app", ...options },
});
const start = (script: string, log: ReturnType<typeof syslog>) => world.start({ command: ["sh", "-c", script], log });

/** A syslog server: what it got, as one text. */
class Receiver {
  text = "";
  readonly #sockets = new Set<Socket>();
  readonly server: Server;

  constructor(server: Server, event: "connection" | "secureConnection" = "connection") {
    this.server = server;
    server.on(event, (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", (data: Buffer) => {
        this.text += data.toString();
      });
    });
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, HERE, resolve));
    return (this.server.address() as AddressInfo).port;
  }

  get messages(): readonly string[] {
    return this.text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.replace(/^.*?\]: /, ""));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

test("over TCP each line is a message, in order; docker logs reads them here as well", async () => {
  const receiver = new Receiver(createServer());
  const port = await receiver.listen();
  const id = await start(`${printing(300)}; echo bad >&2`, syslog(`tcp://${HERE}:${port}`, { "syslog-facility": "local1", "syslog-format": "rfc3164" }));
  await until("all is there", () => receiver.messages.length === 301, 30);
  expect(receiver.messages.filter((message) => message !== "bad")).toEqual(numbered(0, 300));
  expect(receiver.text).toMatch(/^<142>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ app\[\d+\]: line-0\n/);
  expect(receiver.text).toMatch(/<139>.* app\[\d+\]: bad\n/);
  expect(await world.output(id)).toContain("line-299\n");
  await receiver.close();
});

test("a server that is away holds up nothing; when it is there it gets everything once, also what was written over restarts of the daemon", async () => {
  const first = new Receiver(createServer());
  const port = await first.listen();
  await first.close();
  const script = `echo begun; ${printing(2000)}; until [ -e /go ]; do sleep 0.02; done; echo end`;
  const id = await start(script, syslog(`tcp://${HERE}:${port}`));
  await until("the program has written all", async () => (await world.output(id)).includes("line-1999\n"));
  await world.reopen();
  const second = new Receiver(createServer());
  await second.listen(port);
  // Sent one after the other, which takes an emulated processor that has others beside it half a minute. What came twice is found below.
  await until("all is there", () => second.messages.length >= 2001, 120);
  await world.reopen();
  await world.exec(id, "touch", "/go");
  await until("the end is there", () => second.messages.includes("end"), 30);
  expect(second.messages).toEqual(["begun", ...numbered(0, 2000), "end"]);
  await second.close();
});

test("what was written while no daemon was there is sent by the next one, and an ended container's log to its end", async () => {
  const receiver = new Receiver(createServer());
  const port = await receiver.listen();
  const id = await start(`echo first; until [ -e /go ]; do sleep 0.02; done; ${printing(100)}`, syslog(`tcp://${HERE}:${port}`));
  await until("the first is there", () => receiver.messages.includes("first"));
  await world.exec(id, "touch", "/go");
  await world.closeRuntime();
  await world.reopen();
  await until("all is there", () => receiver.messages.includes("line-99"), 30);
  expect(receiver.messages).toEqual(["first", ...numbered(0, 100)]);
  await receiver.close();
});

test("one that is removed at its end has told everything before", async () => {
  const receiver = new Receiver(createServer());
  const port = await receiver.listen();
  const id = await start(printing(500), syslog(`tcp://${HERE}:${port}`));
  await world.runtime.wait(id);
  await world.runtime.remove(id);
  await until("all is there", () => receiver.messages.length === 500);
  await receiver.close();
});

test("without blocking, what waits is bounded by max-buffer-size: the oldest is given up", async () => {
  const first = new Receiver(createServer());
  const port = await first.listen();
  await first.close();
  const script = `${printing(5000)}; until [ -e /go ]; do sleep 0.02; done; echo end`;
  const id = await start(script, syslog(`tcp://${HERE}:${port}`, { mode: "non-blocking", "max-buffer-size": "16k" }));
  await until("the program has written all", async () => (await world.output(id)).includes("line-4999\n"));
  const second = new Receiver(createServer());
  await second.listen(port);
  await world.exec(id, "touch", "/go");
  await until("the end is there", () => second.messages.includes("end"), 30);
  const got = second.messages.filter((message) => message !== "end");
  // The one that was being sent, and the last ones.
  expect(got.length).toBeLessThan(1500);
  expect(got.at(-1)).toBe("line-4999");
  await second.close();
});

test("over UDP", async () => {
  const socket = createSocket("udp4");
  const messages: string[] = [];
  socket.on("message", (data) => messages.push(data.toString()));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  await start("echo one; echo two", syslog(`udp://127.0.0.1:${socket.address().port}`, { "syslog-format": "rfc5424micro" }));
  await until("both are there", () => messages.length === 2);
  expect(messages[0]).toMatch(/^<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ app \d+ app - one\n$/);
  socket.close();
});

test("over TLS messages of RFC 5424 begin with their length; a server that nobody vouches for gets nothing", async () => {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", `subjectAltName=IP:${HERE}`];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", ...subject],
    {
      stdio: "ignore",
    },
  );
  const receiver = new Receiver(createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }), "secureConnection");
  const port = await receiver.listen();
  const stranger = await start("echo secret; sleep 60", syslog(`tcp+tls://${HERE}:${port}`));
  await start("echo one; echo two", syslog(`tcp+tls://${HERE}:${port}`, { "syslog-format": "rfc5424", "syslog-tls-ca-cert": certificate }));
  await until("both are there", () => receiver.text.includes("two"));
  const [, length = "", rest = ""] = /^(\d+) ([\s\S]*)$/.exec(receiver.text) ?? [];
  expect(rest.slice(0, Number(length))).toMatch(/^<30>1 .* app - one$/);
  expect(rest.slice(Number(length))).toMatch(/^\d+ <30>1 .* app - two$/);
  expect(receiver.text).not.toContain("secret");
  await world.runtime.kill(stranger, "SIGKILL");
  await receiver.close();
});

test("to a unix socket of datagrams, as /dev/log is", async () => {
  await using receiver = await DatagramReceiver.open(join(folder, "log"));
  await start("echo one; echo two >&2", syslog(`unixgram://${receiver.path}`));
  await until("both are there", () => receiver.datagrams.length === 2);
  expect(receiver.texts.toSorted()[1]).toMatch(/^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d app\[\d+\]: one\n$/);
});

test("journald's entries have docker's fields, and say when a line is only a part", async () => {
  const sent: string[] = [];
  const tools = { clock: systemClock, sendDatagram: (path: string, data: Uint8Array) => void sent.push(`${path} ${Buffer.from(data)}`) };
  const sink = openJournaldSink(LOG_SOURCE, "tagged", { "com.example.team": "red", tag: "tagged" }, tools);
  const line = (text: string, stream: LogLine["stream"]): LogLine => ({
    stream,
    timestampNs: 1_700_000_000_000_000_007n,
    data: Buffer.from(text),
    attributes: {},
  });
  await sink.send(line("hello\n", "stdout"));
  await sink.send(line("part", "stderr"));
  const fields = [
    "COM_EXAMPLE_TEAM=red",
    "CONTAINER_ID=0123456789ab",
    `CONTAINER_ID_FULL=${LOG_SOURCE.id}`,
    "CONTAINER_NAME=web.1",
    "CONTAINER_TAG=tagged",
    "IMAGE_NAME=shop/web:v1",
    "SYSLOG_IDENTIFIER=tagged",
  ];
  const own = ["SYSLOG_TIMESTAMP=2023-11-14T22:13:20.000000007Z"];
  expect(sent).toEqual([
    `/run/systemd/journal/socket ${["MESSAGE=hello", "PRIORITY=6", ...own, ...fields, ""].join("\n")}`,
    `/run/systemd/journal/socket ${["MESSAGE=part", "PRIORITY=3", ...own, "CONTAINER_PARTIAL_MESSAGE=true", ...fields, ""].join("\n")}`,
  ]);
});

test("a removal does not wait for ever for a receiver that is away", async () => {
  const id = await start("echo one", syslog(`unixgram://${join(folder, "nowhere")}`));
  await world.runtime.wait(id);
  await world.runtime.remove(id);
  expect(world.runtime.inspect(id)).toBeUndefined();
});

import { once } from "node:events";
import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { joinStreams } from "../../../src/api/http/join-streams.js";

/** A connection: what is written to it is kept, what is pushed comes from its other end. */
class Wire extends Duplex {
  readonly written: string[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk.toString());
    done();
  }
}

const OPTIONS = { hasInput: true, detachKeys: null, onDetach: () => undefined };

test("what the client sends goes in, its end ends the input, and the program's end the connection", async () => {
  const [client, program] = [new Wire(), new Wire()];
  const joined = joinStreams(client, program, OPTIONS);
  client.push("in");
  client.push(null);
  await once(program, "finish");
  expect(program.written).toEqual(["in"]);
  program.push("out");
  program.push(null);
  await joined;
  expect(client.written).toEqual(["out"]);
  expect(client.writableEnded).toBe(true);
});

test("a client whose side has ended before the program was there ends its input too", async () => {
  const [client, program] = [new Wire(), new Wire()];
  client.push(null);
  client.resume();
  await once(client, "end");
  const joined = joinStreams(client, program, OPTIONS);
  await once(program, "finish");
  program.push("said");
  program.push(null);
  await joined;
  expect(client.written).toEqual(["said"]);
});

test("a program that had ended before anybody listened to it ends the connection", async () => {
  const [client, program] = [new Wire(), new Wire()];
  program.push(null);
  program.resume();
  await once(program, "end");
  program.pause();
  await joinStreams(client, program, OPTIONS);
  expect([client.writableEnded, program.destroyed]).toEqual([true, true]);
});

test("a program whose connection broke before anybody listened to it ends that of the client", async () => {
  const [client, program] = [new Wire(), new Wire()];
  program.destroy();
  await once(program, "close");
  await joinStreams(client, program, OPTIONS);
  expect(client.writableEnded).toBe(true);
});

test("a client that was gone before the program was there lets it go", async () => {
  const [client, program] = [new Wire(), new Wire()];
  client.destroy();
  await once(client, "close");
  await joinStreams(client, program, OPTIONS);
  expect(program.destroyed).toBe(true);
});

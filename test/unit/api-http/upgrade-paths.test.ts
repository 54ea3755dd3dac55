import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inactiveFixture } from "./server-fixture.js";

test.each([
  ["/containers/%zz/attach", "400 Bad Request", "'/containers/%zz/attach' is not a valid url component"],
  ["//", "501 Not Implemented", "// is not supported over a connection that becomes a stream"],
  ["/containers/absent/attach", "404 Not Found", "No such container: absent"],
])("POST %s with an upgrade is answered with %s", async (path, status, message) => {
  const folder = await mkdtemp(join(tmpdir(), "upgrade-paths-"));
  const { server } = await inactiveFixture();
  const client = connect(await server.listen({ type: "unix", path: join(folder, "api.sock") }));
  client.write(`POST ${path} HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
  let text = "";
  for await (const part of client) text += part;
  expect(text.split("\r\n")[0]).toBe(`HTTP/1.1 ${status}`);
  expect(text).toContain(JSON.stringify({ message }));
  await server.close();
  await rm(folder, { recursive: true });
});

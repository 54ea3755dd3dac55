import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { readBody } from "../../../src/runtime/images/registry/http-client.js";

test("a document that comes byte by byte is not waited for for ever", async () => {
  const server = createServer((_request, response) => {
    const dripping = setInterval(() => response.write(" "), 10);
    response.on("close", () => clearInterval(dripping));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/`);
  // As after every answer, its own stream tells of failures.
  const [reply] = (await once(
    get(url).on("error", () => undefined),
    "response",
  )) as [IncomingMessage];
  await expect(readBody(reply, url, 300)).rejects.toMatchObject({
    code: "unavailable",
    message: `http://${url.host}: the answer is not whole after 0.3 s`,
    details: { phase: "exchange" },
  });
  server.closeAllConnections();
  server.close();
});

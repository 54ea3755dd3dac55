import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import { fromServiceError, fromStatus, toStatus } from "../../../src/rpc/status.js";

const withMetadata = (values: Readonly<Record<string, string | Buffer>>): Metadata => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(values)) metadata.set(key, value);
  return metadata;
};

test.each<[string, Partial<StatusObject>, string, string, Record<string, string>]>([
  [
    "nobody listens",
    {
      code: status.UNAVAILABLE,
      details: "No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2377. Resolution note: ",
    },
    "unavailable",
    "cannot reach h:1: connect ECONNREFUSED 10.0.0.1:2377",
    { connection: "refused" },
  ],
  [
    "a connection that is gone",
    { code: status.UNAVAILABLE, details: "Connection dropped" },
    "unavailable",
    "cannot reach h:1: Connection dropped",
    { connection: "broken" },
  ],
  ["a reset", { code: status.UNAVAILABLE, details: "read ECONNRESET" }, "unavailable", "cannot reach h:1: read ECONNRESET", { connection: "broken" }],
  [
    "a stream that its server dropped",
    { code: status.CANCELLED, details: "Call cancelled" },
    "unavailable",
    "cannot reach h:1: Call cancelled",
    { connection: "failed" },
  ],
  [
    "no TLS",
    {
      code: status.UNAVAILABLE,
      details:
        "No connection established. Last error: Error: 803CCA55517F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/openssl/ssl/record/ssl3_record.c:350:\n. Resolution note: ",
    },
    "unavailable",
    "cannot reach h:1: what answers there does not speak TLS",
    { connection: "failed" },
  ],
  [
    "another protocol above TLS",
    {
      code: status.UNAVAILABLE,
      details:
        "No connection established. Last error: Error: 803CCA55517F0000:error:0A000460:SSL routines:ssl3_read_bytes:tlsv1 alert no application protocol:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 120\n. Resolution note: ",
    },
    "unavailable",
    "cannot reach h:1: no TLS connection came about (tlsv1 alert no application protocol)",
    { connection: "failed" },
  ],
  [
    "a web server",
    { code: status.UNIMPLEMENTED, details: "Received HTTP status code 404" },
    "unavailable",
    "what answers at h:1 is no manager: Received HTTP status code 404",
    {},
  ],
  [
    "a connection that was closed while a call went on",
    { code: status.INTERNAL, details: "Received RST_STREAM with code 0 (Call ended without gRPC status)" },
    "unavailable",
    "cannot reach h:1: it ended the call without an answer",
    { connection: "failed" },
  ],
  ["a limit", { code: status.RESOURCE_EXHAUSTED, details: "too large" }, "out_of_range", "h:1: too large", {}],
  ["anything else", { code: status.DATA_LOSS, details: "?" }, "internal", "h:1: ?", {}],
  ["nothing at all", {}, "internal", "h:1: ", {}],
  ["a code of a newer version", { code: status.INTERNAL, details: "x", metadata: withMetadata({ "swarm-code": "too_new" }) }, "internal", "h:1: x", {}],
  [
    "details that are garbled",
    { code: status.INTERNAL, details: "x", metadata: withMetadata({ "swarm-code": "conflict", "swarm-details-bin": Buffer.from("{") }) },
    "conflict",
    "x",
    {},
  ],
  [
    "details that are not texts",
    { code: status.INTERNAL, details: "x", metadata: withMetadata({ "swarm-code": "conflict", "swarm-details-bin": Buffer.from('{"a":1,"b":"c"}') }) },
    "conflict",
    "x",
    { b: "c" },
  ],
])("%s", (_what, ended, code, message, details) => {
  expect({ ...fromStatus(ended, "h:1"), message: fromStatus(ended, "h:1").message }).toMatchObject({ code, message, details });
});

test("a text that is too long for a header is cut", () => {
  expect(toStatus(new ClusterError("internal", "x".repeat(100_000))).details).toHaveLength(4096);
});

test("what is not a status stays what it was", () => {
  const error = new ClusterError("conflict", "x");
  expect(fromServiceError(error, "h:1")).toBe(error);
  expect(fromServiceError(new TypeError("x"), "h:1")).toMatchObject({ code: "internal", message: "x" });
});

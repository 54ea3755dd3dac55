import { type ClientHttp2Session, connect } from "node:http2";
import { connect as connectSocket } from "node:net";

/**
 * gRPC calls with one request and one reply over a unix socket, many at a time on one connection. Bare HTTP/2, which costs less than a gRPC library:
 * the peer is measured with the cheapest client that there is for it.
 */
export class GrpcLane implements Disposable {
  readonly #session: ClientHttp2Session;

  constructor(socketPath: string) {
    this.#session = connect("http://bench", { createConnection: () => connectSocket(socketPath) });
  }

  /** Resolves when the call succeeded; rejects with its status otherwise. */
  call(path: string, message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
      const frame = Buffer.alloc(5 + message.length);
      frame.writeUInt32BE(message.length, 1);
      frame.set(message, 5);
      let status = "without a status";
      const note = (headers: { readonly [name: string]: unknown }) => {
        if (typeof headers["grpc-status"] === "string") status = headers["grpc-status"];
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("error", reject);
      stream.on("end", () => (status === "0" ? resolve() : reject(new Error(`${path} ended with gRPC status ${status}`))));
      stream.resume();
      stream.end(frame);
    });
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

/** A protobuf message of fields that are byte strings, in the order 1, 2, …: all that etcd's Put and Range need here. */
export function bytesMessage(...fields: readonly string[]): Uint8Array {
  return Buffer.concat(fields.map((text, index) => Buffer.concat([Buffer.of(((index + 1) << 3) | 2), varint(Buffer.byteLength(text)), Buffer.from(text)])));
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

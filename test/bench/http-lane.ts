import { connect, type Socket } from "node:net";

/** One answered request. */
export interface LaneAnswer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = "\r\n\r\n";

/**
 * One kept-alive HTTP/1.1 connection over a unix socket with one request at a time. It parses as little as it may, so that a load made of many of these
 * leaves the machine to who is measured; an answer without a Content-Length ends the
 * connection.
 */
export class HttpLane implements Disposable {
  readonly #path: string;
  #socket: Socket | null = null;
  #received = "";
  #settle: { readonly resolve: (answer: LaneAnswer) => void; readonly reject: (cause: Error) => void } | null = null;

  constructor(socketPath: string) {
    this.#path = socketPath;
  }

  /** Rejects when the connection breaks before the whole answer is there; the next request makes a new one. */
  request(bytes: string): Promise<LaneAnswer> {
    this.#socket ??= this.#open();
    this.#socket.write(bytes, "latin1");
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect(this.#path);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#received += text;
      this.#parse();
    });
    const broken = (cause?: Error) => {
      if (this.#socket === socket) this.#socket = null;
      this.#received = "";
      const settle = this.#settle;
      this.#settle = null;
      settle?.reject(cause ?? new Error(`${this.#path} closed the connection`));
    };
    socket.on("error", broken);
    socket.on("close", () => broken());
    return socket;
  }

  #parse(): void {
    const text = this.#received;
    const headEnd = text.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd + 2))?.[1];
    const status = Number(text.slice(9, 12));
    if (length === undefined) {
      // etcd sends errors in chunks: enough that it is one.
      this.#socket?.destroy(new Error(`${this.#path} answered ${status}`));
      return;
    }
    const end = headEnd + HEAD_END.length + Number(length);
    if (text.length < end) return;
    this.#received = text.slice(end);
    const settle = this.#settle;
    this.#settle = null;
    settle?.resolve({ status, body: text.slice(headEnd + HEAD_END.length, end) });
  }
}

/** The bytes of a request. */
export function httpRequest(method: "GET" | "POST", path: string, body = ""): string {
  const head = `${method} ${path} HTTP/1.1\r\nHost: bench\r\n`;
  return body === "" ? `${head}\r\n` : `${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

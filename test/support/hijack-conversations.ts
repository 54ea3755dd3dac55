import { randomBytes } from "node:crypto";
import { request as ask } from "node:http";
import { connect, type Socket } from "node:net";
import { busyboxTar } from "./root-filesystem.js";

/** One connection that becomes a stream, or shall, byte by byte. */
export interface HijackConversation {
  readonly name: string;
  /** The container that it is about; it runs already where the words go to an exec. */
  readonly container?: object;
  /** Made in it: its id takes the place of `{exec}`. */
  readonly exec?: object;
  /** Begun before the connection, and waited for to its end. */
  readonly isEnded?: boolean;
  /** Request line and headers; Host is added. */
  readonly head: readonly string[];
  readonly body?: string;
  /** Sent once there was an answer, the container was started, and a terminal is ready; then our direction is closed, but for a terminal. */
  readonly input?: string;
  /** What a terminal says first: what comes before would be echoed. */
  readonly prompt?: string;
}

/** What came back. */
export interface HijackAnswer {
  /** Status line and headers in their order; what differs from one host, or one moment, to another is a word. */
  readonly head: readonly string[];
  /** What came after it, as latin1, to the connection's end: what is in frames by their streams. */
  readonly body: string;
}

export type HijackAnswers = Readonly<Record<string, HijackAnswer>>;

const WAIT_MS = 30_000;
const IMAGE = "hijack:v1";
const V = "/v1.41";

const UPGRADE = ["Connection: Upgrade", "Upgrade: tcp"];
const CAT = { Image: IMAGE, Cmd: ["sh", "-c", "cat; echo end"], OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true };
const TTY = { ...CAT, Tty: true, Cmd: ["sh", "-c", "stty -echo; echo ready; read line; echo got $line"] };
const IDLE = { Image: IMAGE, Cmd: ["sleep", "1000"] };
const SAID = { Image: IMAGE, Cmd: ["sh", "-c", "echo said"] };
const EXEC = { Cmd: ["sh", "-c", "cat; echo end"], AttachStdin: true, AttachStdout: true, AttachStderr: true };
const ALL = "stream=1&stdin=1&stdout=1&stderr=1";
const websocket = (...others: readonly string[]) => [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ...others,
];

const attach = (
  name: string,
  headers: readonly string[],
  more: Partial<HijackConversation> = {},
  path = `${V}/containers/{id}/attach?${ALL}`,
  http = "1.1",
): HijackConversation => ({
  name: `attach, ${name}`,
  container: CAT,
  head: [`POST ${path} HTTP/${http}`, ...headers],
  input: "hello\n",
  ...more,
});
const exec = (name: string, headers: readonly string[], more: Partial<HijackConversation> = {}, http = "1.1"): HijackConversation => ({
  name: `exec, ${name}`,
  container: IDLE,
  exec: EXEC,
  head: [`POST ${V}/exec/{exec}/start HTTP/${http}`, "Content-Type: application/json", ...headers],
  body: "{}",
  input: "hello\n",
  ...more,
});
const page = (
  name: string,
  headers: readonly string[],
  more: Partial<HijackConversation> = {},
  path = `${V}/containers/{id}/attach/ws?${ALL}`,
): HijackConversation => ({
  name: `websocket, ${name}`,
  container: CAT,
  head: [`GET ${path} HTTP/1.1`, ...headers],
  ...more,
});

export const HIJACK_CONVERSATIONS: readonly HijackConversation[] = [
  attach("with an upgrade", UPGRADE),
  attach("with an upgrade, of version 1.24", UPGRADE, {}, `/v1.24/containers/{id}/attach?${ALL}`),
  attach("with an upgrade, in small letters", ["connection: upgrade", "upgrade: tcp"]),
  attach("with an upgrade and an empty body", [...UPGRADE, "Content-Length: 0"]),
  attach("with an upgrade and a type", [...UPGRADE, "Content-Type: text/plain"]),
  attach("with an upgrade, terminal", UPGRADE, { container: TTY, prompt: "ready" }),
  attach("Upgrade without Connection", ["Upgrade: tcp"]),
  attach("with an upgrade to something else", ["Connection: Upgrade", "Upgrade: h2c"]),
  attach("without an upgrade", []),
  attach("without an upgrade, terminal", [], { container: TTY, prompt: "ready" }),
  attach("without an upgrade, by HTTP/1.0", [], {}, undefined, "1.0"),
  attach("with an upgrade, by HTTP/1.0", UPGRADE, {}, undefined, "1.0"),
  attach("output alone, without an upgrade", [], { container: SAID, input: "" }, `${V}/containers/{id}/attach?stream=1&stdout=1`),
  attach("what was said, of an ended one", UPGRADE, { container: SAID, isEnded: true, input: "" }, `${V}/containers/{id}/attach?logs=1&stdout=1`),
  attach("no stream asked for", UPGRADE, { container: SAID, isEnded: true, input: "" }, `${V}/containers/{id}/attach`),
  attach("none there", UPGRADE, { input: "" }, `${V}/containers/none/attach?${ALL}`),
  attach("none there, without an upgrade", ["Connection: close"], { input: "" }, `${V}/containers/none/attach?${ALL}`),
  attach("bad keys", UPGRADE, { input: "" }, `${V}/containers/{id}/attach?${ALL}&detachKeys=nonsense`),
  attach("bad version", UPGRADE, { input: "" }, `/v1.99/containers/{id}/attach?${ALL}`),
  exec("with an upgrade", [...UPGRADE, "Content-Length: 2"]),
  exec("with an upgrade, terminal", [...UPGRADE, "Content-Length: 12"], { exec: { ...EXEC, Tty: true, Cmd: TTY.Cmd }, body: '{"Tty":true}', prompt: "ready" }),
  exec("without an upgrade", ["Content-Length: 2"]),
  exec("without an upgrade, by HTTP/1.0", ["Content-Length: 2"], {}, "1.0"),
  exec("detached, with an upgrade", [...UPGRADE, "Content-Length: 15"], { body: '{"Detach":true}', input: "" }),
  exec("not JSON", [...UPGRADE, "Content-Length: 2"], { body: "{[", input: "" }),
  exec("of another type", [...UPGRADE, "Content-Length: 2", "Content-Type: text/plain"], { input: "" }),
  exec("none there", [...UPGRADE, "Content-Length: 2"], {
    head: [`POST ${V}/exec/none/start HTTP/1.1`, "Content-Type: application/json", ...UPGRADE, "Content-Length: 2"],
    input: "",
  }),
  page("by a browser", websocket("Origin: http://localhost"), { input: "" }),
  page("without Origin", websocket(), { input: "" }),
  page("with a protocol", websocket("Origin: http://localhost", "Sec-WebSocket-Protocol: chat"), { input: "" }),
  page("without a key", ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Origin: http://localhost"]),
  page("of an old version", [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Origin: http://localhost",
  ]),
  page("none there", websocket("Origin: http://localhost"), {}, `${V}/containers/none/attach/ws?${ALL}`),
];

/** Has the conversations with a daemon, one after the other; the answers by the conversations' names. */
export async function converse(socketPath: string, conversations: readonly HijackConversation[]): Promise<HijackAnswers> {
  const engine = new Engine(socketPath);
  await engine.call("POST", "/images/create?fromSrc=-&repo=hijack&tag=v1", busyboxTar());
  const answers: Record<string, HijackAnswer> = {};
  for (const each of conversations) answers[each.name] = await converseOnce(engine, each);
  await engine.call("DELETE", `/images/${IMAGE}`);
  return answers;
}

/** How our answer differs from Docker's; one line each. */
export function hijackDifferences(there: HijackAnswer, ours: HijackAnswer | undefined): readonly string[] {
  if (ours === undefined) return ["was not had"];
  const heads = [there.head, ours.head].map((head) => head.join(" | "));
  return [
    ...(heads[0] === heads[1] ? [] : [`head ${heads[0]} there, ${heads[1]} here`]),
    ...(there.body === ours.body ? [] : [`body ${JSON.stringify(there.body)} there, ${JSON.stringify(ours.body)} here`]),
  ];
}

async function converseOnce(engine: Engine, each: HijackConversation): Promise<HijackAnswer> {
  const name = `h${randomBytes(4).toString("hex")}`;
  const { Id: id } = await engine.call<{ readonly Id: string }>("POST", `/containers/create?name=${name}`, each.container);
  const start = () => engine.call("POST", `/containers/${id}/start`);
  if (each.exec !== undefined || each.isEnded === true) await start();
  if (each.isEnded === true) await engine.call("POST", `/containers/${id}/wait`);
  const made = each.exec === undefined ? null : await engine.call<{ readonly Id: string }>("POST", `/containers/${id}/exec`, each.exec);
  try {
    return await talk(engine, each, { id, execId: made?.Id ?? "", start });
  } catch (cause) {
    throw new Error(`${each.name}: ${String(cause)}`, { cause });
  } finally {
    await engine.call("DELETE", `/containers/${id}?force=1&v=1`);
  }
}

async function talk(
  engine: Engine,
  each: HijackConversation,
  made: { readonly id: string; readonly execId: string; start(): Promise<unknown> },
): Promise<HijackAnswer> {
  const [line = "", ...headers] = each.head.map((part) => part.replace("{id}", made.id).replace("{exec}", made.execId));
  const connection = await Connection.open(engine.socketPath);
  try {
    connection.write([line, "Host: docker", ...headers, "", each.body ?? ""].join("\r\n"));
    const head = await connection.head();
    const isAccepted = /^HTTP\/1\.\d (101|200) /.test(head[0] ?? "");
    if (isAccepted && each.exec === undefined && each.isEnded !== true) await made.start();
    if (isAccepted && each.prompt !== undefined) await connection.said(each.prompt);
    if (isAccepted && each.input !== undefined && each.input !== "") connection.write(each.input);
    if (!isAccepted || (each.input !== undefined && each.prompt === undefined)) connection.end();
    return { head: head.map(steady), body: steady(unframed(await connection.rest())) };
  } finally {
    connection.destroy();
  }
}

function steady(text: string): string {
  return text.replace(/^(Date|Server|Api-Version|Ostype|Docker-Experimental|Swarm): .*$/, "$1: VALUE").replace(/[0-9a-f]{64}/g, "ID");
}

/** How an output is cut into frames is chance: by stream, or as it is where it is not all frames. */
function unframed(text: string): string {
  const bytes = Buffer.from(text, "latin1");
  const streams = new Map<number, string>();
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + (at + 8 <= bytes.length ? bytes.readUInt32BE(at + 4) : 0);
    const stream = bytes[at] ?? 0;
    if (at + 8 > bytes.length || end > bytes.length || stream > 2 || bytes.readUIntBE(at + 1, 3) !== 0) return text;
    streams.set(stream, (streams.get(stream) ?? "") + bytes.toString("latin1", at + 8, end));
    at = end;
  }
  return [...streams].map(([stream, said]) => `<${stream}>${said}`).join("");
}

/** A client that knows bytes alone. */
class Connection {
  readonly #socket: Socket;
  #read = Buffer.alloc(0);
  #isEnded = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#read = Buffer.concat([this.#read, chunk]);
      this.#wake();
    });
    // A connection that is reset has ended too.
    for (const event of ["end", "error", "close"]) {
      socket.on(event, () => {
        this.#isEnded = true;
        this.#wake();
      });
    }
  }

  static open(path: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path, allowHalfOpen: true });
      socket.once("error", reject).once("connect", () => resolve(new Connection(socket)));
    });
  }

  write(text: string): void {
    this.#socket.write(text, "latin1");
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async head(): Promise<readonly string[]> {
    await this.#until(() => this.#isEnded || this.#read.includes("\r\n\r\n"));
    const at = this.#read.indexOf("\r\n\r\n");
    const text = this.#read.toString("latin1", 0, at < 0 ? undefined : at);
    this.#read = at < 0 ? Buffer.alloc(0) : this.#read.subarray(at + 4);
    return text.split("\r\n");
  }

  async said(words: string): Promise<void> {
    await this.#until(() => this.#isEnded || this.#read.includes(words));
  }

  async rest(): Promise<string> {
    await this.#until(() => this.#isEnded);
    return this.#read.toString("latin1");
  }

  async #until(isDone: () => boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no end within ${WAIT_MS} ms, after ${JSON.stringify(this.#read.toString("latin1"))}`)), WAIT_MS);
        this.#wake = () => isDone() && resolve();
        this.#wake();
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What is not compared. */
class Engine {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  call<T>(method: string, path: string, body?: object): Promise<T> {
    const bytes = body === undefined ? null : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const type = Buffer.isBuffer(body) ? "application/x-tar" : "application/json";
    const headers = bytes === null ? {} : { "Content-Type": type, "Content-Length": bytes.length };
    return new Promise((resolve, reject) => {
      const sent = ask({ socketPath: this.socketPath, method, path: `${V}${path}`, headers, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
        answer.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if ((answer.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          else resolve((text.startsWith("{") && !text.startsWith('{"status"') ? JSON.parse(text) : undefined) as T);
        });
      });
      sent.on("error", reject).end(bytes ?? undefined);
    });
  }
}

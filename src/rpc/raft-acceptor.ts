import type { TLSSocket } from "node:tls";
import { onAbort } from "../base/abort.js";
import type { Clock } from "../base/clock.js";
import { ClusterError } from "../base/errors.js";
import { type Member, type RaftFrame, type RaftHello, type RaftStreamReply, RaftStreamReplyCodec, RaftStreamRequestCodec } from "../wire/generated/raft.js";
import type { Caller } from "./caller.js";
import { MESSAGE_BYTES_MAX } from "./channel-options.js";
import { sayGoodbye } from "./goodbye.js";
import { KeepAlive } from "./keep-alive.js";
import { RecordReader, record } from "./records.js";
import type { ActiveCall } from "./server-call.js";

/** What a manager's stream brings. What is thrown ends the stream. */
export interface RaftStreamHandler {
  /** Who the caller says that it is, before its first frame. To be called back when the stream is over. */
  introduced(member: Member, caller: Caller): () => void;
  /** Takes each frame in the moment in which it arrives. */
  take(frame: RaftFrame, caller: Caller): void;
}

/** Of somebody who has not proven to be a manager nothing larger is kept, and nothing for longer. */
const HELLO_BYTES_MAX = 8 * 1024;
const HELLO_TIMEOUT_MS = 10_000;

const say = (reply: RaftStreamReply): Buffer => record(RaftStreamReplyCodec.encode(reply));

/** Serves the accepting end of a raft stream. `admit` says whether the rules let the caller in, and throws otherwise. */
export function acceptRaftStream(
  socket: TLSSocket,
  { clock, admit, handler }: { readonly clock: Clock; admit(hello: RaftHello): ActiveCall; readonly handler: RaftStreamHandler },
): void {
  let call: ActiveCall | null = null;
  let isOver = false;
  let forget: () => void = () => undefined;
  const end = (cause: unknown) => {
    if (isOver) return;
    isOver = true;
    keepAlive.stop();
    forget();
    const { code, message, details } = ClusterError.from(cause);
    sayGoodbye(socket, clock, say({ type: "end", end: { code, message, details } }));
  };
  const keepAlive = new KeepAlive(clock, {
    say: () => socket.write(say({ type: "alive", alive: {} })),
    silence: () => socket.destroy(),
  });
  const stopWaiting = clock.after(HELLO_TIMEOUT_MS, () => socket.destroy());
  const reader = new RecordReader(HELLO_BYTES_MAX, (bytes) => {
    // What the frame before did may have ended it.
    if (isOver) return;
    const request = RaftStreamRequestCodec.decode(bytes);
    if (call !== null && request.type === "frame") {
      handler.take(request.frame, call.caller);
      return;
    }
    if (call !== null && request.type === "alive") return;
    if (call !== null || request.type !== "hello") throw new ClusterError("invalid_argument", `raft stream with "${request.type}" where it does not belong`);
    const admitted = admit(request.hello);
    call = admitted;
    stopWaiting();
    reader.bytesMax = MESSAGE_BYTES_MAX;
    const { member } = request.hello;
    if (member !== null) forget = handler.introduced(member, admitted.caller);
    onAbort(admitted.signal, () => end(admitted.signal.reason));
    socket.write(say({ type: "accepted", accepted: {} }));
  });
  socket.on("data", (chunk: Buffer) => {
    if (isOver) return;
    keepAlive.heard();
    try {
      reader.push(chunk);
    } catch (cause) {
      end(cause);
    }
  });
  socket.on("close", () => {
    if (!isOver) forget();
    isOver = true;
    keepAlive.stop();
    stopWaiting();
    call?.finish();
  });
}

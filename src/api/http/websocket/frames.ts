/** Kinds of frames (RFC 6455, section 5.2). */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
/** Why a connection is closed (section 7.4.1). */
export const CLOSE_CODE = { normal: 1000, protocolError: 1002 } as const;

const CONTROL_BYTES_MAX = 125;
const KNOWN: readonly number[] = Object.values(OPCODE);

/** Part of what a client sends: bytes of messages as they come in, or a whole control frame. */
export interface ReceivedPart {
  readonly type: "data" | "ping" | "pong" | "close";
  readonly bytes: Buffer;
}

interface OpenFrame {
  readonly opcode: number;
  readonly mask: Buffer;
  readonly sizeBytes: number;
  takenBytes: number;
}

/** Reads a client's frames. Messages are passed on as they come in: however large, none is held. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #frame: OpenFrame | null = null;

  /** Throws an Error for what no client may send. */
  take(chunk: Buffer): readonly ReceivedPart[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const parts: ReceivedPart[] = [];
    for (;;) {
      this.#frame ??= this.#begin();
      const part = this.#frame === null ? null : this.#part(this.#frame);
      if (part === null) return parts;
      if (part.bytes.length > 0 || part.type !== "data") parts.push(part);
    }
  }

  /** Null until the head of a frame is there. */
  #begin(): OpenFrame | null {
    const [first = 0, second = 0] = this.#rest;
    const extended = [126, 127].includes(second & 127) ? ((second & 127) === 126 ? 2 : 8) : 0;
    const headBytes = 2 + extended + 4;
    if (this.#rest.length < headBytes) return null;
    const opcode = first & 15;
    const size = extended === 0 ? second & 127 : extended === 2 ? this.#rest.readUInt16BE(2) : Number(this.#rest.readBigUInt64BE(2));
    if ((first & 0x70) !== 0 || !KNOWN.includes(opcode)) throw new Error(`a frame begins with ${first}`);
    if ((second & 128) === 0) throw new Error("a frame of a client is not masked");
    if (opcode >= OPCODE.close && (size > CONTROL_BYTES_MAX || (first & 128) === 0)) throw new Error(`a control frame has ${size} bytes, or is in parts`);
    const mask = Buffer.from(this.#rest.subarray(headBytes - 4, headBytes));
    this.#rest = this.#rest.subarray(headBytes);
    return { opcode, mask, sizeBytes: size, takenBytes: 0 };
  }

  /** Null when more has to come. */
  #part(frame: OpenFrame): ReceivedPart | null {
    const missing = frame.sizeBytes - frame.takenBytes;
    const isControl = frame.opcode >= OPCODE.close;
    if (missing > 0 && (this.#rest.length === 0 || (isControl && this.#rest.length < missing))) return null;
    const bytes = Buffer.from(this.#rest.subarray(0, missing));
    this.#rest = this.#rest.subarray(bytes.length);
    for (let index = 0; index < bytes.length; index++) bytes[index] = (bytes[index] ?? 0) ^ (frame.mask[(frame.takenBytes + index) & 3] ?? 0);
    frame.takenBytes += bytes.length;
    if (frame.takenBytes === frame.sizeBytes) this.#frame = null;
    return { type: typeOf(frame.opcode), bytes };
  }
}

/** A whole frame of a server: never masked, never in parts. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const size = payload.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = 128 | opcode;
  head[1] = size < 126 ? size : size < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(size, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
  return Buffer.concat([head, payload]);
}

export function encodeClose(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return encodeFrame(OPCODE.close, payload);
}

function typeOf(opcode: number): ReceivedPart["type"] {
  if (opcode === OPCODE.ping) return "ping";
  if (opcode === OPCODE.pong) return "pong";
  return opcode === OPCODE.close ? "close" : "data";
}

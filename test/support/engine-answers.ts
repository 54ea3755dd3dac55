import { request } from "node:http";
import type { EngineRequest } from "./engine-requests.js";
import { merge, type Shape, shapeDifferences, shapeOf } from "./shape.js";

/** What there is to compare of an answer. */
export interface EngineAnswer {
  readonly status: number;
  /** Content-Type; empty without. */
  readonly type: string;
  /** Of JSON; of several lines of it together. */
  readonly shape?: Shape;
  /** The sentence of an error. */
  readonly message?: string;
}

export type EngineAnswers = Readonly<Record<string, EngineAnswer>>;

const ANSWER_MS = 60_000;
/** The newest that the recorded daemon speaks. */
const VERSION = "v1.41";

/** Puts the requests to a daemon, one after the other; the answers by the requests' lines. */
export async function askEngine(socketPath: string, requests: readonly EngineRequest[]): Promise<EngineAnswers> {
  const saved = new Map<string, string>();
  const answers: Record<string, EngineAnswer> = {};
  for (const each of requests) {
    const { status, type, text } = await ask(socketPath, each, saved);
    const values = valuesOf(text);
    const [first] = values as readonly (Readonly<Record<string, unknown>> | null | undefined)[];
    const kept = each.save === undefined ? undefined : first?.[each.save[1]];
    if (each.save !== undefined && typeof kept === "string") saved.set(each.save[0], kept);
    answers[lineOf(each)] =
      status >= 400 && typeof first?.message === "string"
        ? { status, type, message: steady(first.message, saved) }
        : { status, type, ...(values.length === 0 ? {} : { shape: values.map(shapeOf).reduce(merge) }) };
  }
  return answers;
}

/** How our answer differs from Docker's; one line each, none when a client cannot tell them apart. */
export function answerDifferences(there: EngineAnswer, ours: EngineAnswer | undefined): readonly string[] {
  if (ours === undefined) return ["was not asked"];
  return [
    ...(there.status === ours.status ? [] : [`status ${there.status} there, ${ours.status} here`]),
    ...(there.type === ours.type ? [] : [`type "${there.type}" there, "${ours.type}" here`]),
    ...(there.message === ours.message ? [] : [`sentence "${there.message ?? ""}" there, "${ours.message ?? ""}" here`]),
    ...(there.shape === undefined || ours.shape === undefined ? [] : shapeDifferences(there.shape, ours.shape)),
  ];
}

function lineOf({ request: line, note }: EngineRequest): string {
  return decodeURIComponent(note === undefined ? line : `${line} (${note})`);
}

function ask(socketPath: string, each: EngineRequest, saved: ReadonlyMap<string, string>) {
  const [method = "", path = ""] = each.request.split(" ", 2);
  const filled = path.replaceAll("{now}", String(Math.ceil(Date.now() / 1000))).replace(/\{(\w+)\}/g, (_, name: string) => saved.get(name) ?? name);
  const body = each.bytes?.() ?? (each.body === undefined ? null : Buffer.from(JSON.stringify(each.body)));
  const type = each.bytes === undefined ? "application/json" : "application/x-tar";
  const headers = { ...(body === null ? {} : { "Content-Type": type, "Content-Length": body.length }), ...each.headers };
  const hasVersion = /^\/(v\d|_ping)/.test(filled);
  return new Promise<{ readonly status: number; readonly type: string; readonly text: string }>((resolve, reject) => {
    const sent = request({ socketPath, method, path: hasVersion ? filled : `/${VERSION}${filled}`, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, type: answer.headers["content-type"] ?? "", text: Buffer.concat(chunks).toString() }));
    });
    sent.setTimeout(ANSWER_MS, () => sent.destroy(new Error(`no answer to ${each.request}`)));
    sent.on("error", reject).end(body ?? undefined);
  });
}

/** The JSON values of an answer, one a line where it is a stream; none when it is something else. */
function valuesOf(text: string): readonly unknown[] {
  for (const parts of [[text], text.split("\n").filter((line) => line.trim() !== "")]) {
    try {
      return parts.map((part) => JSON.parse(part) as unknown);
    } catch {
      // Neither one value nor lines of them: an archive, say, or plain text.
    }
  }
  return [];
}

/** Without what is another one each time. */
function steady(message: string, saved: ReadonlyMap<string, string>): string {
  const named = [...saved].reduce((text, [name, value]) => text.replaceAll(value, `{${name}}`), message);
  return named
    .replace(/\b[0-9a-f]{64}\b/g, "{id}")
    .replace(/\b[0-9a-f]{12}\b/g, "{id}")
    .trim();
}

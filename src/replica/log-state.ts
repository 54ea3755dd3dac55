import { ClusterError } from "../base/errors.js";
import type { Member } from "../wire/generated/raft.js";

/** A place in the log: the entry of this index has this term, and the chain of checksums this link there. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
  readonly link: Uint8Array;
}

/** Everything that is durable about a log beside its entries. Written with each write to the tail file, and with each batch to `level`. */
export interface LogState {
  /** Number of the batch that wrote it: tells which of two copies is newer. */
  readonly sequence: number;
  readonly raftId: number;
  readonly term: number;
  readonly vote: number;
  /** May lag behind what is committed: it only spares work at start. */
  readonly commit: number;
  /** The last entry; entries beyond it that are still stored are rubbish. */
  readonly last: LogPosition;
  /** The last entry that is gone, covered by a snapshot. Invariant: compacted.index <= last.index. */
  readonly compacted: LogPosition;
  /** The members that a joining member was told of, until it has a snapshot. */
  readonly seeds: readonly Member[];
}

const FORMAT = 1;

/** The contrary of `decodeLogState`: JSON, put together by hand, since each write has one and JSON.stringify takes twice as long for it. */
export function encodeLogState({ sequence, raftId, term, vote, commit, last, compacted, seeds }: LogState): Uint8Array {
  const numbers = `"format":${FORMAT},"sequence":${sequence},"raftId":${raftId},"term":${term},"vote":${vote},"commit":${commit}`;
  return Buffer.from(
    `{${numbers},"last":${textOfPosition(last)},"compacted":${textOfPosition(compacted)},"seeds":${seeds.length === 0 ? "[]" : JSON.stringify(seeds)}}`,
  );
}

function textOfPosition({ index, term, link }: LogPosition): string {
  return `{"index":${index},"term":${term},"link":"${Buffer.from(link.buffer, link.byteOffset, link.length).toString("hex")}"}`;
}

/** Throws ClusterError `invalid_argument` when the bytes are not a state of a known format. */
export function decodeLogState(bytes: Uint8Array): LogState {
  const fields = fieldsOf(JSON.parse(Buffer.from(bytes).toString("utf8")));
  if (fields.format !== FORMAT) throw new ClusterError("invalid_argument", `log state has format ${String(fields.format)}, only ${FORMAT} is known`);
  return {
    sequence: numberOf(fields, "sequence"),
    raftId: numberOf(fields, "raftId"),
    term: numberOf(fields, "term"),
    vote: numberOf(fields, "vote"),
    commit: numberOf(fields, "commit"),
    last: positionOf(fields.last),
    compacted: positionOf(fields.compacted),
    seeds: Array.isArray(fields.seeds) ? fields.seeds.map(memberOf) : [],
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null) throw new ClusterError("invalid_argument", "log state is not an object");
  return value as Fields;
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new ClusterError("invalid_argument", `log state has no ${name}`);
  return value;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new ClusterError("invalid_argument", `log state has no ${name}`);
  return value;
}

function positionOf(value: unknown): LogPosition {
  const fields = fieldsOf(value);
  return { index: numberOf(fields, "index"), term: numberOf(fields, "term"), link: Buffer.from(textOf(fields, "link"), "hex") };
}

function memberOf(value: unknown): Member {
  const fields = fieldsOf(value);
  return { raftId: numberOf(fields, "raftId"), nodeId: textOf(fields, "nodeId"), address: textOf(fields, "address") };
}

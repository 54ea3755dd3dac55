import { Readable } from "node:stream";
import { ClusterError } from "../../src/base/errors.js";
import type { ContainerFiles, FileArchive, FileChange, FileStat, WriteOptions } from "../../src/runtime/files/container-files.js";

/** Files by container and path; an archive is the text of the file. */
export class FakeFiles implements ContainerFiles {
  readonly texts = new Map<string, string>();
  readonly writes: (WriteOptions & { readonly path: string; readonly text: string })[] = [];
  changed: readonly FileChange[] = [];
  sizeBytes = 0;
  /** What an archive fails with after its first bytes. */
  failure: Error | null = null;

  async stat(_id: string, path: string): Promise<FileStat> {
    const text = this.texts.get(path);
    if (text === undefined) throw new ClusterError("not_found", `Could not find the file ${path}`);
    return { name: path.split("/").at(-1) ?? "", mode: 0o100644, sizeBytes: text.length, modifiedNs: 1_700_000_000_123_456_789n, linkTarget: "" };
  }

  async read(id: string, path: string): Promise<FileArchive> {
    return { stat: await this.stat(id, path), archive: this.#archive(this.texts.get(path) ?? "") };
  }

  async write(_id: string, path: string, tar: Readable, options: WriteOptions): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of tar as AsyncIterable<Buffer>) parts.push(part);
    this.writes.push({ ...options, path, text: Buffer.concat(parts).toString() });
  }

  async changes(): Promise<readonly FileChange[]> {
    return this.changed;
  }

  async export(): Promise<Readable> {
    return this.#archive("everything");
  }

  async layer(): Promise<Readable> {
    return this.#archive("layer");
  }

  async sizes(ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return new Map(ids.map((id) => [id, this.sizeBytes]));
  }

  #archive(text: string): Readable {
    const { failure } = this;
    return Readable.from(
      (async function* () {
        yield Buffer.from(text);
        if (failure !== null) throw failure;
      })(),
    );
  }
}

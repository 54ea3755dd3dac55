/** As much of tar-stream's writable streams, which are none of Node's, as is needed. */
interface Sink {
  readonly destroyed: boolean;
  write(chunk: Uint8Array): boolean;
  end(last: null): unknown;
  once(event: "drain" | "close", listener: () => void): Sink;
  destroy(cause: Error): unknown;
}

/** Writes all of it as fast as it is taken, and ends; what goes wrong with the source goes wrong with the sink. */
export async function feed(source: AsyncIterable<Uint8Array>, sink: Sink): Promise<void> {
  try {
    for await (const chunk of source) {
      if (!sink.write(chunk)) await new Promise<void>((resolve) => sink.once("drain", resolve).once("close", resolve));
      if (sink.destroyed) return;
    }
    sink.end(null);
  } catch (cause) {
    sink.destroy(cause instanceof Error ? cause : new Error(String(cause)));
  }
}

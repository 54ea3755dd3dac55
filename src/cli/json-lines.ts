/** A stream of JSON, one object a line. */
export async function* jsonLines<T>(stream: AsyncIterable<Uint8Array>, parse: (text: string) => unknown = JSON.parse): AsyncGenerator<T> {
  let held = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (held + decoder.decode(chunk, { stream: true })).split("\n");
    held = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield parse(line) as T;
  }
  if (held.trim() !== "") yield parse(held) as T;
}

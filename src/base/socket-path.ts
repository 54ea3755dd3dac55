/** Longest path of a unix socket (unix(7): 108 bytes with the NUL). Node.js cuts off what is longer, without a word, and takes another socket. */
const SOCKET_PATH_BYTES_MAX = 107;

/** What keeps a path from being a unix socket's, to be said after its name; undefined when nothing does. */
export function socketPathFault(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  return bytes > SOCKET_PATH_BYTES_MAX ? `is too long for a unix socket: ${bytes} bytes, of at most ${SOCKET_PATH_BYTES_MAX}` : undefined;
}

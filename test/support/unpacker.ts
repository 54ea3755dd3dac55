import { join, resolve } from "node:path";

/** The native unpacker of layers, as `npm run build` makes it. */
export const UNPACKER_PATH = join(resolve(import.meta.dirname, "../.."), "native/build/swarm-unpack");

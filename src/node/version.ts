import { readFileSync } from "node:fs";

/** Version of these programs: from package.json, which the build does not move. */
export const VERSION: string = (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;

import { readFile } from "node:fs/promises";
import { CfsslServer } from "./cfssl-server.js";

/** A process of its own on a host of a lab: node --import tsx cfssl-host.ts ADDRESS PORT ROOT.json TRUSTED.pem. Ends by a signal. */
const [address = "", port = "", rootFile = "", trustedFile = ""] = process.argv.slice(2);
const root = JSON.parse(await readFile(rootFile, "utf8"));
const server = await CfsslServer.start({ root, trusted: await readFile(trustedFile, "utf8"), nowMs: () => Date.now() }, { address, port: Number(port) });
process.stdout.write(`${server.url}\n`);

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkedText } from "../../src/base/checked-text.js";
import { systemClock } from "../../src/base/clock.js";
import { IdentityFiles } from "../../src/pki/identity-files.js";
import type { TestLab } from "./lab.js";

/** A node's certificate (PEM) as it is now. Throws when it has none. */
export async function certificateOf(lab: TestLab, node: number): Promise<string> {
  return checkedText(there(node, await IdentityFiles.certificateIn(folderOf(lab, node))));
}

/** The root certificate (PEM) that a node trusts now. */
export async function trustedRootOf(lab: TestLab, node: number): Promise<string> {
  return checkedText(await readFile(join(folderOf(lab, node), "swarm-root-ca.crt"), "utf8"));
}

/** All that a node proves itself with, to be changed while it is stopped: a running one replaces its files one after the other, and whoever reads all of them may see some of before. */
export async function identityFilesOf(lab: TestLab, node: number): Promise<IdentityFiles> {
  return there(node, await IdentityFiles.open({ folder: folderOf(lab, node), clock: systemClock }));
}

function folderOf(lab: TestLab, node: number): string {
  return join(dirname(lab.socket(node)), "data/swarm/certificates");
}

function there<T>(node: number, it: T | null | undefined): T {
  if (it === null || it === undefined) throw new Error(`node ${node} has no certificate`);
  return it;
}

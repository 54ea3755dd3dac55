import { createPrivateKey } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { checkedText, withCheck } from "../base/checked-text.js";
import type { Clock } from "../base/clock.js";
import { readTextIfThere, writeFileDurably } from "../base/durable-file.js";
import { ClusterError, messageOf } from "../base/errors.js";
import { Turns } from "../base/turns.js";
import { createDataKey, type DataKey } from "./data-key.js";
import { identityOf } from "./identity.js";
import { createNodeKey } from "./keys.js";
import { isLockedText, lockText, unlockText } from "./locked-text.js";
import { decodeNodeKeys, encodeNodeKeys, type NodeKeys } from "./node-keys.js";
import { certificatesIn, requireTrustedIssuer } from "./trust.js";
import { readCertificate } from "./x509.js";

/** What a node proves itself with; all PEM. */
export interface NodeCredentials {
  readonly rootCertificate: string;
  readonly certificate: string;
  readonly key: string;
}

/** Keys, and the unlock key (null for none) that they are wrapped with on the disk. */
export interface KeptKeys extends NodeKeys {
  readonly unlockKey: Uint8Array | null;
}

const ROOT = "swarm-root-ca.crt";
const CERTIFICATE = "swarm-node.crt";
const KEYS = "swarm-node.key";

interface Place {
  readonly folder: string;
  /** Tells the file when it was locked. */
  readonly clock: Pick<Clock, "now">;
}

/**
 * A node's identity on its disk. All of its keys are in one file, which is replaced as a whole, so that whenever the machine stops it is wrapped with one
 * unlock key, the one before or the one after a change, and never with two. It always holds the key of the certificate beside it.
 */
export class IdentityFiles {
  readonly #place: Place;
  #certificates: Omit<NodeCredentials, "key">;
  #keys: KeptKeys;
  readonly #turns = new Turns();

  private constructor(place: Place, certificates: Omit<NodeCredentials, "key">, keys: KeptKeys) {
    this.#place = place;
    this.#certificates = certificates;
    this.#keys = keys;
  }

  /** A new identity, durable when this resolves. */
  static async create(place: Place, { key, ...certificates }: NodeCredentials): Promise<IdentityFiles> {
    await mkdir(place.folder, { recursive: true, mode: 0o700 });
    const files = new IdentityFiles(place, certificates, { nodeKeys: [key], dataKeys: [], unlockKey: null });
    await files.#writeKeys(files.#keys);
    await files.#writeCertificates(certificates);
    return files;
  }

  /** True when the keys need an unlock key; false also when there are none. */
  static async isLocked(folder: string): Promise<boolean> {
    return isLockedText((await readIfThere(join(folder, KEYS))) ?? "");
  }

  /** The certificate (PEM), which is readable also while the keys are locked; undefined when there is none. */
  static certificateIn(folder: string): Promise<string | undefined> {
    return readIfThere(join(folder, CERTIFICATE));
  }

  /**
   * What is there; null when the node has no identity yet. An unlock key is only used when the keys are locked. Throws ClusterError `unauthenticated` when it is
   * another one, or needed and not given; `failed_precondition` that names the file when what is there is damaged, cannot be read or does not belong together.
   */
  static async open(place: Place, unlockKey: Uint8Array | null = null): Promise<IdentityFiles | null> {
    const names = [ROOT, CERTIFICATE, KEYS];
    const [rootCertificate, certificate, text] = await Promise.all(names.map((file) => readIfThere(join(place.folder, file))));
    if (rootCertificate === undefined || certificate === undefined || text === undefined) {
      const gone = names.filter((_, at) => [rootCertificate, certificate, text][at] === undefined);
      if (gone.length === names.length) return null;
      const paths = gone.map((file) => join(place.folder, file)).join(" and ");
      throw new ClusterError(
        "failed_precondition",
        `${paths} ${gone.length === 1 ? "is" : "are"} gone: put what was there back, or leave by force and join again`,
      );
    }
    const keys = keysIn(text, join(place.folder, KEYS), unlockKey);
    const roots = usable(join(place.folder, ROOT), rootCertificate, (pem) => certificatesIn(pem).at(0) ?? readCertificate(pem));
    const own = usable(join(place.folder, CERTIFICATE), certificate, (pem) => identityOf(pem) && requireTrustedIssuer(pem, roots));
    const files = new IdentityFiles(place, { rootCertificate: roots, certificate: own }, keys);
    files.#ownKey(); // Throws when there is none.
    return files;
  }

  get credentials(): NodeCredentials {
    return { ...this.#certificates, key: this.#ownKey() };
  }

  /** Of the file with the keys: for messages. */
  get path(): string {
    return join(this.#place.folder, KEYS);
  }

  get keys(): KeptKeys {
    return this.#keys;
  }

  /**
   * A new certificate for the same or another key. The old key stays until the certificate is in place. With `isWorker` the node's part as a manager ends with
   * it: nothing of it stays, and the rest is not locked.
   */
  replace({ key, ...certificates }: NodeCredentials, { isWorker }: { readonly isWorker: boolean }): Promise<void> {
    return this.#turns.take(async () => {
      const { nodeKeys } = this.#keys;
      const isSameKey = key === this.#ownKey();
      if (!nodeKeys.includes(key)) await this.#writeKeys({ ...this.#keys, nodeKeys: [...nodeKeys, key] });
      await this.#writeCertificates(certificates);
      if (isSameKey && !isWorker) return;
      await this.#writeKeys({ ...(isWorker ? { dataKeys: [], unlockKey: null } : this.#keys), nodeKeys: isSameKey ? nodeKeys : [key] });
    });
  }

  /** The key that a renewal asks for: kept until a certificate for it came, so that asking again, also after a crash, asks for the same one. */
  pendingKey(): Promise<string> {
    return this.#turns.take(async () => {
      const own = this.#ownKey();
      const { nodeKeys } = this.#keys;
      const pending = nodeKeys[nodeKeys.indexOf(own) + 1];
      if (pending !== undefined) return pending;
      const key = createNodeKey();
      await this.#writeKeys({ ...this.#keys, nodeKeys: [own, key] });
      return key;
    });
  }

  /** The keys that the log is sealed with; a new one is made when there is none. */
  ensureDataKeys(): Promise<readonly DataKey[]> {
    return this.#turns.take(async () => {
      if (this.#keys.dataKeys.length === 0) await this.#writeKeys({ ...this.#keys, dataKeys: [createDataKey(0)] });
      return this.#keys.dataKeys;
    });
  }

  /** Changes what is kept, in one step; nothing is written when the change gives back what it got. */
  change(change: (keys: KeptKeys) => KeptKeys): Promise<void> {
    return this.#turns.take(async () => {
      const changed = change(this.#keys);
      if (changed !== this.#keys) await this.#writeKeys(changed);
    });
  }

  async #writeCertificates(certificates: Omit<NodeCredentials, "key">): Promise<void> {
    const { folder } = this.#place;
    await writeFileDurably(join(folder, ROOT), withCheck(certificates.rootCertificate), 0o644);
    await writeFileDurably(join(folder, CERTIFICATE), withCheck(certificates.certificate), 0o644);
    this.#certificates = certificates;
  }

  async #writeKeys(keys: KeptKeys): Promise<void> {
    const { folder, clock } = this.#place;
    const plain = encodeNodeKeys(keys);
    const text = keys.unlockKey === null ? plain : lockText(plain, { unlockKey: keys.unlockKey, nowMs: clock.now() });
    await writeFileDurably(join(folder, KEYS), text, 0o600);
    this.#keys = keys;
  }

  /** That of the certificate. */
  #ownKey(): string {
    const certificate = readCertificate(this.#certificates.certificate);
    const key = this.#keys.nodeKeys.find((candidate) => isKey(candidate) && certificate.checkPrivateKey(createPrivateKey(candidate)));
    if (key === undefined)
      throw unusable(`the key file ${this.path}`, new ClusterError("failed_precondition", "no key in it belongs to the certificate beside it"));
    return key;
  }
}

function keysIn(text: string, path: string, unlockKey: Uint8Array | null): KeptKeys {
  const isLocked = isLockedText(text);
  if (isLocked && unlockKey === null) throw new ClusterError("unauthenticated", `${path} is locked`);
  try {
    if (!isLocked || unlockKey === null) return { ...decodeNodeKeys(text), unlockKey: null };
    return { ...decodeNodeKeys(unlockText(text, unlockKey)), unlockKey };
  } catch (cause) {
    const { code } = ClusterError.from(cause);
    if (code === "unauthenticated") throw cause;
    throw unusable(`the key file ${path}`, cause);
  }
}

/** A file's certificate, which is looked at before anything relies on it. */
function usable(path: string, text: string, read: (pem: string) => unknown): string {
  try {
    const pem = checkedText(text);
    read(pem);
    return pem;
  } catch (cause) {
    throw unusable(`the certificate ${path}`, cause);
  }
}

function unusable(what: string, cause: unknown): ClusterError {
  return new ClusterError("failed_precondition", `${what} cannot be used: ${messageOf(cause)}; put the right one back, or leave by force`, { cause });
}

function isKey(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false; // Then no key of the file may belong to the certificate, and that is said.
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readTextIfThere(path);
  } catch (cause) {
    // A disk that fails, say: the daemon goes on without its part in the swarm.
    throw unusable(`the file ${path}`, cause);
  }
}

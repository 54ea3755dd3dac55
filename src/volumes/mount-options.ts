import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { assert } from "../base/assert.js";
import { ClusterError, messageOf } from "../base/errors.js";

/** File systems whose server the kernel must be given as a number. */
const OF_SERVERS = /^(nfs4?|cifs|smb3)$/;
/** One of the words of `o` that names the server. */
const ADDRESS = /^addr=(.+)$/;
/** Passwords of CIFS; a comma of theirs is written twice (mount.cifs(8)). */
const PASSWORD = /(^|,)(pass(?:word)?2?)=(?:,,|[^,])*/g;
/** Who is to be asked as whom, `//USER:PASSWORD@HOST/…`: mount.cifs takes such a device apart, the kernel looks for a host of that name. */
const USER_IN_DEVICE = /^(\/\/[^/:@]*)(:[^/]*)?@/;

/** What is to be mounted where: the words of Docker's local driver, `type`, `device` and `o`. */
export interface MountOptions {
  readonly type: string;
  readonly device: string;
  readonly o: string;
}

/**
 * With the server's address in place of its name, as Docker has it (moby: volume/local/local_unix.go): that of `addr`, or else that of CIFS' device; of several addresses the first of
 * version 4. Throws ClusterError `failed_precondition` when there is none, and where CIFS' device names a user.
 */
export async function withServerAddress(options: MountOptions): Promise<MountOptions> {
  const { type, device, o } = options;
  if (!OF_SERVERS.test(type)) return options;
  requireNoUser(type, device);
  const words = o.split(",");
  const index = words.findIndex((word) => ADDRESS.test(word));
  const host = ADDRESS.exec(words[index] ?? "")?.[1];
  if (host !== undefined) return { ...options, o: words.with(index, `addr=${await addressOf(host)}`).join(",") };
  const [, deviceHost = "", after = ""] = /^\/\/([^/]+)(\/.*)?$/.exec(device) ?? [];
  if (type.startsWith("nfs") || deviceHost === "") return options;
  return { ...options, device: `//${await addressOf(deviceHost)}${after}` };
}

/** For people to see: no password is in it. */
export function withoutPasswords(options: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { o, device } = options;
  return {
    ...options,
    ...(o !== undefined && { o: o.replaceAll(PASSWORD, "$1$2=********") }),
    ...(device !== undefined && { device: withoutPasswordIn(device) }),
  };
}

function withoutPasswordIn(device: string): string {
  return device.replace(USER_IN_DEVICE, (_, user: string, password?: string) => `${user}${password === undefined ? "" : ":********"}@`);
}

function requireNoUser(type: string, device: string): void {
  if (type.startsWith("nfs") || !USER_IN_DEVICE.test(device)) return;
  throw new ClusterError("failed_precondition", `the device ${withoutPasswordIn(device)} names a user before its server: say username= and password= in "o"`);
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0) return host;
  try {
    const found = await lookup(host, { all: true });
    const [first] = found.toSorted((a, b) => a.family - b.family);
    assert(first !== undefined, "a name that is found has an address");
    return first.address;
  } catch (cause) {
    throw new ClusterError("failed_precondition", `the server "${host}" cannot be found: ${messageOf(cause)}`, { cause });
  }
}

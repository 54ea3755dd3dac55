import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import type { HostPort } from "./addresses.js";

/** The address of this host from which it reaches another one, as its routes are now: the kernel chooses it, and nothing is sent. Rejects when there is no route. */
export async function sourceAddressTo({ host, port }: HostPort): Promise<string> {
  const to = await lookup(host);
  return await new Promise((resolve, reject) => {
    const socket = createSocket(to.family === 6 ? "udp6" : "udp4");
    socket.once("error", (cause) => {
      socket.close();
      reject(cause);
    });
    socket.connect(port, to.address, () => {
      const { address } = socket.address();
      socket.close();
      resolve(address);
    });
  });
}

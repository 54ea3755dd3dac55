/**
 * A round trip between two hosts of a lab, as small as it gets: `echo PORT` answers each message with itself, `ask HOST PORT` prints the median of
 * many exchanges in ms. Started by the bench on the hosts.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { median } from "./lab-command.js";

const EXCHANGES = 2_000;
const MESSAGE = Buffer.alloc(200);

const [role, ...rest] = process.argv.slice(2);
if (role === "echo") {
  const server = createServer({ noDelay: true }, (socket) => socket.pipe(socket).on("error", () => socket.destroy()));
  server.listen(Number(rest[0]), "0.0.0.0", () => console.log("ready"));
} else {
  const socket = connect({ host: rest[0] ?? "", port: Number(rest[1]), noDelay: true });
  await once(socket, "connect");
  const times: number[] = [];
  for (let exchange = 0; exchange < EXCHANGES; exchange++) {
    const started = performance.now();
    socket.write(MESSAGE);
    await once(socket, "data");
    times.push(performance.now() - started);
  }
  socket.destroy();
  console.log(median(times));
}

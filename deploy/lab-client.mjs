// What deploy/lab asks of its daemons' APIs: wait for them, form a cluster of them, show it.
// usage: lab-client.mjs await STATE I... | form STATE MANAGERS WORKERS | status NAME [--json] <hosts
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";

const PATIENCE_MS = 30_000;
const [verb, ...args] = process.argv.slice(2);

function fail(message) {
  console.error(`lab: ${message}`);
  process.exit(1);
}

/** One call; resolves with { status, body } or rejects when nobody answers. */
function call(socketPath, method, path, body) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const outgoing = request({ socketPath, method, path, headers, timeout: 25_000 }, (reply) => {
      const chunks = [];
      reply.on("data", (chunk) => chunks.push(chunk));
      reply.on("error", reject);
      reply.on("end", () => {
        const answer = Buffer.concat(chunks).toString();
        resolve({
          status: reply.statusCode,
          body: reply.headers["content-type"]?.startsWith("application/json") && answer !== "" ? JSON.parse(answer) : answer,
        });
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 25 s")));
    outgoing.on("error", reject);
    outgoing.end(text);
  });
}

async function must(socketPath, method, path, body) {
  const { status, body: answer } = await call(socketPath, method, path, body);
  if (status >= 300) throw new Error(`${method} ${path} at ${socketPath}: ${status} ${answer.message ?? answer}`);
  return answer;
}

/** Polls `condition` until it holds: a daemon that starts has no other way to tell a stranger. */
async function until(what, condition) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > deadline) fail(`gave up after ${PATIENCE_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const isAlive = (pid) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

async function awaitDaemons(state, numbers) {
  await Promise.all(
    numbers.map((number) =>
      until(`node ${number}'s daemon does not answer; its log is ${state}/${number}/log`, async () => {
        try {
          return (await call(`${state}/${number}/swarmd.sock`, "GET", "/_ping")).status === 200;
        } catch {
          // Not listening yet: unless its process is gone, it will.
          const pidFile = `${state}/${number}/pid`;
          const pid = existsSync(pidFile) ? readFileSync(pidFile, "utf8").trim() : "";
          if (pid !== "" && !isAlive(pid)) {
            console.error(readFileSync(`${state}/${number}/log`, "utf8").trim().split("\n").slice(-3).join("\n"));
            fail(`node ${number}'s daemon ended; its log is ${state}/${number}/log`);
          }
          return false;
        }
      }),
    ),
  );
}

async function form(state, managers, workers) {
  const socket = (number) => `${state}/${number}/swarmd.sock`;
  const address = (number) => `10.88.0.${number}`;
  await must(socket(1), "POST", "/swarm/init", { ListenAddr: "0.0.0.0:2377", AdvertiseAddr: address(1), Spec: {} });
  const tokens = (await must(socket(1), "GET", "/swarm")).JoinTokens;
  const join = (number, token) =>
    must(socket(number), "POST", "/swarm/join", {
      ListenAddr: "0.0.0.0:2377",
      AdvertiseAddr: address(number),
      RemoteAddrs: [`${address(1)}:2377`],
      JoinToken: token,
    });
  for (let number = 2; number <= managers; number++) await join(number, tokens.Manager);
  await Promise.all(Array.from({ length: workers }, (_, index) => join(managers + 1 + index, tokens.Worker)));
  await until("not every node is Ready", async () => {
    const nodes = await must(socket(1), "GET", "/nodes");
    return (
      nodes.filter((node) => node.Status.State === "ready" && (node.Spec.Role !== "manager" || node.ManagerStatus?.Reachability === "reachable")).length ===
      managers + workers
    );
  });
}

async function status(name, asJson) {
  const hosts = readFileSync(0, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [number, address, pid, link, ...socket] = line.split(" ");
      return { node: Number(number), address, pid: Number(pid), link, socket: socket.join(" ") };
    });
  for (const host of hosts) {
    if (host.pid === 0) continue;
    try {
      const info = await must(host.socket, "GET", "/info");
      host.swarm = info.Swarm.LocalNodeState;
      host.manager = info.Swarm.ControlAvailable;
    } catch (error) {
      host.error = error.message;
    }
  }
  if (asJson) {
    console.log(JSON.stringify({ name, hosts }));
    return;
  }
  console.log(
    ["NODE", "ADDRESS", "DAEMON", "LINK", "SWARM"]
      .map((title) => title.padEnd(14))
      .join("")
      .trimEnd(),
  );
  for (const host of hosts) {
    const swarm = host.error ?? (host.pid === 0 ? "-" : `${host.swarm}${host.manager ? " (manager)" : ""}`);
    console.log(
      [`node-${host.node}`, host.address, host.pid === 0 ? "not running" : `pid ${host.pid}`, host.link, swarm]
        .map((cell) => cell.padEnd(14))
        .join("")
        .trimEnd(),
    );
  }
}

try {
  if (verb === "await") await awaitDaemons(args[0], args.slice(1));
  else if (verb === "form") await form(args[0], Number(args[1]), Number(args[2]));
  else if (verb === "status") await status(args[0], args[1] === "--json");
  else fail(`unknown verb "${verb}"`);
} catch (error) {
  fail(error.message);
}

import type { Command } from "commander";
import type { Api } from "../api.js";
import { action, type CliContext } from "../context.js";
import { afterwards, CommandFailure, EXIT } from "../failure.js";
import { printJoinCommand } from "../join-command.js";
import { addNodeFlags, type NodeFlags, nodeFields } from "../node-flags.js";
import { print } from "../output.js";
import { parseChoice } from "../quantities.js";
import type { HostInfo, NodeInfo, SwarmInfo } from "../shapes.js";

interface JoinFlags extends NodeFlags {
  readonly token: string;
}

/** join, join-token, rejoin and leave: who is part of a swarm. */
export function addMembershipCommands(program: Command): void {
  addNodeFlags(program.command("join"))
    .description("join a swarm as a node")
    .argument("<address>", "host[:port] of a manager")
    .requiredOption("--token <token>", "join token: says whether as a worker or as a manager")
    .addHelpText("after", "\nExample: what 'swarm join-token worker' prints on a manager\n  swarm join --token SWMTKN-1-… 10.0.0.1:2377")
    .action(action<[string, JoinFlags]>(join));
  program
    .command("join-token")
    .description("show or rotate the token to join with")
    .argument("<role>", "worker or manager")
    .option("-q, --quiet", "print the token alone")
    .option("--rotate", "replace the token by a new one; nodes that joined stay")
    .action(action<[string, { quiet?: boolean; rotate?: boolean }]>(joinToken));
  program
    .command("rejoin")
    .description("tell this node where a manager of its swarm is now, when all managers have new addresses")
    .argument("<address>", "host[:port] of a manager")
    .addHelpText("after", "\nTo be run on each other node. Nobody has to leave: the node stays who it is, and so do its tasks.")
    .action(action<[string]>(rejoin));
  program
    .command("leave")
    .description("leave the swarm")
    .option("-f, --force", "leave even if this node is a manager")
    .action(action<[{ force?: boolean }]>(leave));
}

async function join({ api }: CliContext, address: string, flags: JoinFlags): Promise<void> {
  const body = { ...nodeFields(flags), RemoteAddrs: [address], JoinToken: flags.token };
  await api.call({ method: "POST", path: "/swarm/join", body });
  const info = await api.call<HostInfo>({ method: "GET", path: "/info" });
  print(`This node joined a swarm as a ${info.Swarm.ControlAvailable ? "manager" : "worker"}.`);
}

async function rejoin({ api }: CliContext, address: string): Promise<void> {
  await api.call({ method: "POST", path: "/swarm/rejoin", body: { RemoteAddr: address } });
  print(`This node goes on with the manager at ${address}: 'swarm info' says when it has found the swarm again.`);
}

async function joinToken({ api }: CliContext, roleText: string, flags: { readonly quiet?: boolean; readonly rotate?: boolean }): Promise<void> {
  const role = parseChoice(roleText, "role", ["worker", "manager"]);
  if (flags.rotate === true) {
    const before = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
    const query = { version: String(before.Version.Index), [role === "worker" ? "rotateWorkerToken" : "rotateManagerToken"]: "true" };
    await api.call({ method: "POST", path: "/swarm/update", query, body: before.Spec });
    return await afterwards(`the ${role} token was replaced, and 'swarm join-token ${role}' shows the new one`, () => showToken(api, role, flags));
  }
  await showToken(api, role, flags);
}

async function showToken(api: Api, role: "worker" | "manager", flags: { readonly quiet?: boolean; readonly rotate?: boolean }): Promise<void> {
  const [swarm, info] = await Promise.all([api.call<SwarmInfo>({ method: "GET", path: "/swarm" }), api.call<HostInfo>({ method: "GET", path: "/info" })]);
  const token = role === "worker" ? swarm.JoinTokens.Worker : swarm.JoinTokens.Manager;
  if (flags.quiet === true) {
    print(token);
    return;
  }
  const node = await api.call<NodeInfo>({ method: "GET", path: `/nodes/${info.Swarm.NodeID}` });
  if (node.ManagerStatus === undefined) throw new CommandFailure(EXIT.refused, "this node is not a manager");
  if (flags.rotate === true) print(`The ${role} token was replaced.\n`);
  printJoinCommand(role, token, node.ManagerStatus.Addr);
}

async function leave({ api }: CliContext, flags: { readonly force?: boolean }): Promise<void> {
  await api.call({ method: "POST", path: "/swarm/leave", query: flags.force === true ? { force: "1" } : {} });
  print("Node left the swarm.");
}

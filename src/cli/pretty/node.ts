import { binarySizeText } from "../container/stats.js";
import type { NodeInfo } from "../shapes.js";
import { pairsSection, type PrettyLine, prettyText, section } from "./sections.js";

const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/** `node inspect --pretty`: what docker shows of a node. */
export function prettyNode(node: NodeInfo): string {
  const { Description: description, Spec: spec, Status: status, ManagerStatus: manager } = node;
  const { Platform: platform, Resources: resources, Engine: engine, TLSInfo: tls } = description;
  return prettyText([
    ["ID", node.ID],
    ["Name", spec.Name],
    pairsSection("Labels", spec.Labels),
    ["Hostname", description.Hostname],
    ["Joined at", node.CreatedAt],
    ["Role", capital(spec.Role)],
    section("Status", [
      ["State", capital(status.State)],
      ["Message", status.Message],
      ["Availability", capital(spec.Availability)],
      ["Address", status.Addr],
    ]),
    section("Manager Status", [
      ["Address", manager?.Addr],
      ["Raft Status", manager === undefined ? undefined : capital(manager.Reachability)],
      ["Leader", manager === undefined ? undefined : manager.Leader === true ? "Yes" : "No"],
    ]),
    section("Platform", [
      ["Operating System", platform?.OS],
      ["Architecture", platform?.Architecture],
    ]),
    section("Resources", [
      ["CPUs", Number(resources?.NanoCPUs ?? 0) / 1e9],
      ["Memory", binarySizeText(Number(resources?.MemoryBytes ?? 0))],
    ]),
    section("Plugins", pluginLines(engine.Plugins ?? [])),
    ["Engine Version", engine.EngineVersion],
    pairsSection("Engine Labels", engine.Labels),
    section("TLS Info", [
      section(
        "TrustRoot",
        (tls?.TrustRoot ?? "")
          .trim()
          .split("\n")
          .filter((line) => line !== ""),
      ),
      ["Issuer Subject", tls?.CertIssuerSubject],
      ["Issuer Public Key", tls?.CertIssuerPublicKey],
    ]),
  ]);
}

function pluginLines(plugins: readonly { readonly Type: string; readonly Name: string }[]): readonly PrettyLine[] {
  const types = [...new Set(plugins.map(({ Type }) => Type))].toSorted();
  return types.map(
    (type): PrettyLine => [
      type,
      plugins
        .filter(({ Type }) => Type === type)
        .map(({ Name }) => Name)
        .join(", "),
    ],
  );
}

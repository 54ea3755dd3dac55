import type { Command } from "commander";
import { systemClock } from "../../base/clock.js";
import { action, type CliContext, orGoesOn } from "../context.js";
import { afterwards, misuse } from "../failure.js";
import { textOfFlag } from "../flag-file.js";
import { note, print } from "../output.js";
import { parseDuration } from "../quantities.js";
import { collectExternalCa, EXTERNAL_CA_FLAG, parseExternalCas } from "../external-ca.js";
import { rotationOf, type RotationProgress } from "../rotation.js";
import type { NodeInfo, SwarmInfo } from "../shapes.js";

interface CaFlags {
  readonly rotate?: boolean;
  readonly caCert?: string;
  readonly caKey?: string;
  readonly certExpiry?: string;
  readonly externalCa?: readonly string[];
  readonly detach?: boolean;
  readonly quiet?: boolean;
}

const LOOK_MS = 250;

/** ca: shows the root certificate, and replaces it. */
export function addCaCommand(program: Command): void {
  program
    .command("ca")
    .description("show the root certificate of the swarm, or replace it while everything goes on")
    .option("--rotate", "replace the root by a new one, or by the one that is given; giving the present one takes a rotation under way back")
    .option("--ca-cert <file>", "root certificate (PEM) to rotate to")
    .option("--ca-key <file>", "its key (PEM, ECDSA P-256)")
    .option("--cert-expiry <duration>", "validity of node certificates from now on")
    .option(EXTERNAL_CA_FLAG, "protocol=cfssl,url=URL[,cacert=FILE]: who issues certificates of a root whose key is not in the swarm", collectExternalCa)
    .option("-d, --detach", "do not wait for all nodes to have new certificates")
    .option("-q, --quiet", "show no progress")
    .action(action<[CaFlags]>(ca));
}

async function ca(context: CliContext, flags: CaFlags): Promise<void> {
  const { api } = context;
  const swarm = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
  if (flags.rotate === true) {
    await api.call({ method: "POST", path: "/swarm/update", query: { version: String(swarm.Version.Index) }, body: await rotatedSpec(swarm.Spec, flags) });
    if (flags.detach === true) return;
    await orGoesOn(context, () => afterwards("the rotation goes on", () => follow(context, flags.quiet === true)));
  } else {
    const { caCert, caKey, certExpiry, externalCa, detach } = flags;
    if ([caCert, caKey, certExpiry, externalCa, detach].some((flag) => flag !== undefined)) throw misuse("these flags of ca need --rotate");
  }
  const { TLSInfo } = await api.call<SwarmInfo>({ method: "GET", path: "/swarm" });
  print((TLSInfo.TrustRoot ?? "").trimEnd());
}

async function rotatedSpec(spec: SwarmInfo["Spec"], flags: CaFlags): Promise<SwarmInfo["Spec"]> {
  if (flags.caKey !== undefined && flags.caCert === undefined) throw misuse("--ca-key needs the certificate that it belongs to: --ca-cert");
  if (flags.externalCa !== undefined && flags.caCert === undefined) throw misuse("--external-ca needs the root that it issues certificates of: --ca-cert");
  const caConfig = spec.CAConfig as { readonly ForceRotate?: number } | undefined;
  const [certificate, key] = [await textOfFlag(flags.caCert, "ca-cert"), await textOfFlag(flags.caKey, "ca-key")];
  const externalCas = await parseExternalCas(flags.externalCa ?? []);
  return {
    ...spec,
    CAConfig: {
      ...caConfig,
      ...(flags.certExpiry === undefined ? {} : { NodeCertExpiry: parseDuration(flags.certExpiry, "cert-expiry") }),
      ...(flags.externalCa === undefined ? {} : { ExternalCAs: externalCas.map((external) => ({ ...external, CACert: external.CACert || certificate })) }),
      ...(certificate === "" ? { ForceRotate: (caConfig?.ForceRotate ?? 0) + 1 } : { SigningCACert: certificate, SigningCAKey: key }),
    },
  };
}

/** Resolves when every node trusts the root and has a certificate of it. */
async function follow({ api, signal }: CliContext, isQuiet: boolean): Promise<void> {
  let last = "";
  for (;;) {
    const [swarm, nodes] = await Promise.all([
      api.call<SwarmInfo>({ method: "GET", path: "/swarm", signal }),
      api.call<readonly NodeInfo[]>({ method: "GET", path: "/nodes", signal }),
    ]);
    const progress = rotationOf(swarm, nodes);
    const line = lineOf(progress);
    if (!isQuiet && line !== last) note(line);
    last = line;
    if (progress.isDone) return;
    await systemClock.sleep(LOOK_MS, signal);
  }
}

function lineOf({ certified, trusting, total, waiting }: RotationProgress): string {
  const line = `${certified} of ${total} nodes have a certificate of the desired root, ${trusting} trust it alone`;
  return waiting.length === 0 ? line : `${line}; waiting for ${waiting.join(", ")}`;
}

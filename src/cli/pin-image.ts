import type { CliContext } from "./context.js";
import { canonicalReference, familiarReference, parseReference } from "../model/image-reference.js";
import { CommandFailure } from "./failure.js";
import { note } from "./output.js";
import { registryHeaders } from "./registry-auth.js";
import type { ServiceSpecJson } from "./shapes.js";

interface Distribution {
  readonly Descriptor: { readonly digest: string };
  readonly Platforms?: readonly { readonly architecture?: string; readonly os?: string }[] | null;
}

/**
 * Has every node run the same image: the one that the registry has under this name now, by its digest, on the platforms that it is for (swarm-surface 2.3). Without an answer of the
 * registry the name stays, and a note says so.
 */
export async function pinImage({ api, signal }: CliContext, spec: ServiceSpecJson): Promise<void> {
  const container = spec.TaskTemplate.ContainerSpec;
  const reference = parsed(container.Image);
  if (reference === null || reference.digest !== "") return;
  const path = `/distribution/${canonicalReference(reference)}/json`;
  try {
    const { Descriptor, Platforms } = await api.call<Distribution>({ method: "GET", path, headers: await registryHeaders(container.Image), signal });
    container.Image = familiarReference({ ...reference, digest: Descriptor.digest });
    const platforms = (Platforms ?? []).flatMap(platformOf);
    if (platforms.length > 0) spec.TaskTemplate.Placement = { ...spec.TaskTemplate.Placement, Platforms: platforms };
  } catch (cause) {
    if (!(cause instanceof CommandFailure) || cause.status === undefined) throw cause;
    note(`no registry says which ${container.Image} is the newest, so each node looks for itself: ${cause.message}`);
  }
}

/** Null for what is no name but an image's id. */
function parsed(image: string) {
  try {
    return parseReference(image);
  } catch {
    // The daemon says what is wrong with it, if anything is.
    return null;
  }
}

/** Of ARM the variants are many and go by one name or another: any will do. */
function platformOf({ architecture = "", os = "" }: { readonly architecture?: string; readonly os?: string }) {
  if (architecture === "unknown" || os === "unknown") return [];
  return [{ Architecture: architecture === "arm" ? "" : architecture, OS: os }];
}

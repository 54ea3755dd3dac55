import { capabilitiesOf, hasCapability } from "../capabilities.js";
import type { ContainerConfig } from "../container-config.js";
import type { Launch } from "../launch.js";
import { DEFAULT_PROFILE } from "./default-policy.js";
import type { SeccompFilters } from "./filters.js";
import { ociSeccomp } from "./oci-seccomp.js";
import { parseSeccompProfile } from "./parse-profile.js";
import { flagBits, policyText, subjectOnThisMachine } from "./profile.js";

/** The compiled filter of a container's system calls, as our own shim takes it; null for none. Throws `invalid_argument` for a profile that is none. */
export async function compiledPolicyOf(config: ContainerConfig, filters: SeccompFilters): Promise<Launch["seccomp"]> {
  const found = policyOf(config);
  if (found === null) return null;
  const { profile, subject } = found;
  const text = () => policyText(profile, subject);
  // The default's depends on nothing but the capabilities, for as long as the machine runs.
  const path = profile === DEFAULT_PROFILE ? filters.fileNamed(`${capabilitiesOf(config)}`, text) : filters.fileFor(text());
  return { path: await path, flags: flagBits(profile) };
}

/** The same as another runtime takes it: `linux.seccomp` of the OCI runtime specification; null for none. Throws as `compiledPolicyOf`. */
export function ociPolicyOf(config: ContainerConfig): object | null {
  const found = policyOf(config);
  return found === null ? null : ociSeccomp(found.profile, found.subject);
}

function policyOf(config: ContainerConfig) {
  if (config.isPrivileged || config.seccomp === "unconfined") return null;
  const profile = config.seccomp === "default" ? DEFAULT_PROFILE : parseSeccompProfile(config.seccomp.profile);
  const capabilities = capabilitiesOf(config);
  return { profile, subject: subjectOnThisMachine((name) => hasCapability(capabilities, name)) };
}

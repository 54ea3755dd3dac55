import { Option } from "commander";
import { misuse } from "./failure.js";

export interface ContentTrustFlag {
  readonly disableContentTrust?: boolean;
}

/** Signatures of images are not looked at, so that turning this off, docker's default, changes nothing. */
export function contentTrustOption(): Option {
  return new Option("--disable-content-trust", "do not verify signatures: they never are (default true)");
}

/** Throws for who wants what is not done. */
export function assertNoContentTrust({ disableContentTrust }: ContentTrustFlag): void {
  if (disableContentTrust === false) throw misuse("--disable-content-trust=false: verifying signatures of images is not supported");
}

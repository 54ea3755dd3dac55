import { ClusterError } from "../../src/base/errors.js";
import type { ExternalSigner } from "../../src/pki/cfssl-client.js";

/** For clusters without certificate authorities outside of them. */
export const noSigner: ExternalSigner = {
  sign: ({ url }) => Promise.reject(new ClusterError("unavailable", `nothing answers at ${url}`)),
  reach: ({ url }) => Promise.reject(new ClusterError("unavailable", `nothing answers at ${url}`)),
};

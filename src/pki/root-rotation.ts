import { assert } from "../base/assert.js";
import type { RootCa } from "../model/objects.js";
import { createJoinToken } from "./join-token.js";

/** With the tokens made anew that are asked for; both unless told otherwise. They name the present root. */
export function withNewTokens(rootCa: RootCa, which: { readonly worker: boolean; readonly manager: boolean } = { worker: true, manager: true }): RootCa {
  const token = (isWanted: boolean, before: string | undefined) => (isWanted || before === undefined ? createJoinToken(rootCa.certificate) : before);
  return {
    ...rootCa,
    joinTokens: { worker: token(which.worker, rootCa.joinTokens?.worker), manager: token(which.manager, rootCa.joinTokens?.manager) },
  };
}

/** With the new root in the place of the old one, and tokens that name it: the old ones would pin a root that is not there any more. */
export function finishedRotation(rootCa: RootCa): RootCa {
  const { rotation } = rootCa;
  assert(rotation !== null, "a rotation that is finished has begun");
  return withNewTokens({ ...rootCa, certificate: rotation.certificate, key: rotation.key, rotation: null });
}

import type { PlantedBug } from "./planted-bug.js";
import { PLANTED_IN_ACQUAINTANCE } from "./planted-in-acquaintance.js";
import { PLANTED_IN_CORE } from "./planted-in-core.js";
import { PLANTED_IN_DURABILITY } from "./planted-in-durability.js";
import { PLANTED_IN_FAILURE } from "./planted-in-failure.js";

/** Each breaks one rule that the safety, or the calm, of the protocol rests on. The checkers must find every one of them. */
export const PLANTED_BUGS: readonly PlantedBug[] = [...PLANTED_IN_CORE, ...PLANTED_IN_DURABILITY, ...PLANTED_IN_FAILURE, ...PLANTED_IN_ACQUAINTANCE];

/** The objects of the cluster, generated from proto/objects.proto: the one definition of their shape. */
export type * from "./generated/objects.js";

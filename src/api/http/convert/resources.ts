import type { GenericResource, ResourceLimits, ResourceRequirements, ResourceReservations } from "../../../model/objects.js";
import { badRequest } from "../errors.js";
import { type Json, jsonInteger } from "../json.js";
import type { Fields } from "./fields.js";
import { optionalInteger, unlessBlank, unlessEmpty, unlessZero } from "./zero-values.js";

export function resourcesFromDocker(fields: Fields | null): ResourceRequirements | null {
  if (fields === null) return null;
  const swapBytes = fields.optionalInteger("SwapBytes");
  const memorySwappiness = fields.optionalInteger("MemorySwappiness");
  const resources: ResourceRequirements = {
    limits: limitsFromDocker(fields.child("Limits")),
    reservations: reservationsFromDocker(fields.child("Reservations")),
    ...(swapBytes === undefined ? {} : { swapBytes }),
    ...(memorySwappiness === undefined ? {} : { memorySwappiness }),
  };
  fields.end();
  const isUnset = swapBytes === undefined && memorySwappiness === undefined;
  return isUnset ? unlessBlank(resources) : resources;
}

/** Always with both halves, as Docker's own client sends them. */
export function resourcesToDocker(resources: ResourceRequirements | null): Json {
  const { limits, reservations } = resources ?? { limits: null, reservations: null };
  return {
    Limits: limits === null ? {} : { NanoCPUs: unlessZero(limits.nanoCpus), MemoryBytes: unlessZero(limits.memoryBytes), Pids: unlessZero(limits.pids) },
    Reservations:
      reservations === null
        ? {}
        : {
            NanoCPUs: unlessZero(reservations.nanoCpus),
            MemoryBytes: unlessZero(reservations.memoryBytes),
            GenericResources: unlessEmpty(reservations.generic.map(genericResourceToDocker)),
          },
    SwapBytes: optionalInteger(resources?.swapBytes),
    MemorySwappiness: optionalInteger(resources?.memorySwappiness),
  };
}

function limitsFromDocker(fields: Fields | null): ResourceLimits | null {
  if (fields === null) return null;
  const limits: ResourceLimits = { nanoCpus: fields.integer("NanoCPUs"), memoryBytes: fields.integer("MemoryBytes"), pids: fields.integer("Pids") };
  fields.end();
  return unlessBlank(limits);
}

function reservationsFromDocker(fields: Fields | null): ResourceReservations | null {
  if (fields === null) return null;
  const reservations: ResourceReservations = {
    nanoCpus: fields.integer("NanoCPUs"),
    memoryBytes: fields.integer("MemoryBytes"),
    generic: fields.children("GenericResources", genericResourceFromDocker),
  };
  fields.end();
  return unlessBlank(reservations);
}

function genericResourceFromDocker(fields: Fields): GenericResource {
  const named = fields.child("NamedResourceSpec");
  const discrete = fields.child("DiscreteResourceSpec");
  fields.end();
  const given = named ?? discrete;
  if (given === null || (named !== null && discrete !== null)) throw badRequest("a generic resource must be either named or discrete");
  const kind = given.string("Kind");
  const resource: GenericResource =
    named === null ? { kind, named: "", discrete: given.integer("Value") } : { kind, named: given.string("Value"), discrete: 0n };
  given.end();
  if (named !== null && resource.named === "") throw badRequest(`the named generic resource "${kind}" has no value`);
  return resource;
}

export function genericResourceToDocker(resource: GenericResource): Json {
  if (resource.named !== "") return { NamedResourceSpec: { Kind: resource.kind, Value: resource.named } };
  return { DiscreteResourceSpec: { Kind: resource.kind, Value: jsonInteger(resource.discrete) } };
}

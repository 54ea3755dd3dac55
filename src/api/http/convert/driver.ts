import type { Driver } from "../../../model/objects.js";
import type { Json } from "../json.js";
import type { Fields } from "./fields.js";
import { unlessEmpty } from "./zero-values.js";

/** A log or volume driver with its options. */
export function driverFromDocker(fields: Fields | null): Driver | null {
  if (fields === null) return null;
  const driver: Driver = { name: fields.string("Name"), options: fields.record("Options") };
  fields.end();
  return driver;
}

export function driverToDocker(driver: Driver | null): Json {
  return driver === null ? undefined : { Name: unlessEmpty(driver.name), Options: unlessEmpty(driver.options) };
}

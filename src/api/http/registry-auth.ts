import type { FastifyRequest } from "fastify";

/** Credentials as they came: base64url JSON. Empty without any; what cannot be read is ignored, as Docker does. */
export function registryAuthOf(request: FastifyRequest): string {
  const header = request.headers["x-registry-auth"];
  const text = typeof header === "string" ? header : "";
  return isMeaningful(text) ? text : "";
}

/** Clients without credentials send `{}` or nothing. */
function isMeaningful(text: string): boolean {
  if (text === "") return false;
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && Object.values(value).some((field) => field !== "");
  } catch {
    // Malformed credentials are none: pulling then says so if the image needs them.
    return false;
  }
}

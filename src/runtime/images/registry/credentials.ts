/** Who asks a registry: a name with a password, or a token that stands for them. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** Exchanged for access tokens (`docker login` against some registries gives one). */
  readonly identityToken: string;
  /** Sent as it is. */
  readonly registryToken: string;
}

/** The X-Registry-Auth header: base64url JSON. Null when it holds nothing; what cannot be read is ignored, as Docker does. */
export function decodeCredentials(header: string): Credentials | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
  } catch {
    // The registry then says whether the image needs credentials.
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const fields = value as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : "");
  const [first = "", ...rest] = Buffer.from(text("auth"), "base64").toString("utf8").split(":");
  const credentials = {
    username: text("username") || first,
    password: text("password") || rest.join(":"),
    identityToken: text("identitytoken"),
    registryToken: text("registrytoken"),
  };
  return Object.values(credentials).every((part) => part === "") ? null : credentials;
}

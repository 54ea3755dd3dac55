/** The grammar of image references (github.com/distribution/reference): [domain[:port]/]path[:tag][@digest]. */
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const SEGMENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const TAG = "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^(?:${DOMAIN}/)?${SEGMENT}(?:/${SEGMENT})*(?::${TAG})?(?:@${DIGEST})?$`);
const LENGTH_MAX = 1024;

/** True for a well-formed reference; whether there is such an image, only nodes and registries know. */
export function isImageReference(text: string): boolean {
  return text.length <= LENGTH_MAX && REFERENCE.test(text);
}

/** Docker reads the value of a filter by name as a regular expression, on the name with and without its slash; what is none is taken literally. */
export function nameMatcher(pattern: string): (name: string) => boolean {
  let regex: RegExp;
  try {
    regex = new RegExp(pattern);
  } catch {
    // A pattern that does not compile can only be meant as text.
    return (name) => name.includes(pattern);
  }
  return (name) => regex.test(name) || regex.test(`/${name}`);
}

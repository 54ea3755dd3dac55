import fc from "fast-check";
import { expect, test } from "vitest";
import { isClusterError } from "../../../src/base/errors.js";
import { type LayerEntry, LayerTree } from "../../../src/runtime/images/layer-tree.js";

const part = fc.constantFrom("a", "b", "c", "..", ".", "");
const name = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
  fc.constant<LayerEntry>({ type: "folder" }),
  fc.constant<LayerEntry>({ type: "file" }),
  name.map((target): LayerEntry => ({ type: "link", target })),
  name.map((target): LayerEntry => ({ type: "link", target: `/${target}` })),
);

/** What LayerWriter does with an entry, on a disk that is a map. */
function add(tree: LayerTree, disk: Map<string, LayerEntry["type"]>, path: string, item: LayerEntry): string | undefined {
  let place: ReturnType<LayerTree["place"]>;
  try {
    place = tree.place(path);
  } catch (cause) {
    expect(isClusterError(cause, "invalid_argument")).toBe(true);
    return undefined;
  }
  for (const missing of place.missing) {
    disk.set(missing, "folder");
    tree.put(missing, { type: "folder" });
  }
  if (place.path === "" || (item.type === "folder" && place.replaces?.type === "folder")) return place.path;
  for (const other of disk.keys()) if (other === place.path || other.startsWith(`${place.path}/`)) disk.delete(other);
  if (place.replaces !== undefined) tree.drop(place.path);
  disk.set(place.path, item.type);
  tree.put(place.path, item);
  return place.path;
}

test("whatever an archive holds, an entry goes below real folders of the layer", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, entry), { maxLength: 30 }), (items) => {
      const tree = new LayerTree();
      const disk = new Map<string, LayerEntry["type"]>();
      for (const [path, item] of items) {
        const placed = add(tree, disk, path, item);
        if (placed === undefined || placed === "") continue;
        const parts = placed.split("/");
        expect(parts).not.toContain("..");
        for (let length = 1; length < parts.length; length++) expect(disk.get(parts.slice(0, length).join("/"))).toBe("folder");
      }
    }),
    { numRuns: 500 },
  );
});

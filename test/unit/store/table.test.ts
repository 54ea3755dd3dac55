import { expect, test } from "vitest";
import { integerBetween, SeededRandom } from "../../../src/base/random.js";
import { OverlayTable } from "../../../src/store/overlay-table.js";
import { Table } from "../../../src/store/table.js";

interface Row {
  readonly id: string;
  readonly name: string | undefined;
}

const INDEXES = { name: (row: Row) => row.name };
const sorted = (rows: Iterable<Row>) => [...rows].map(({ id }) => id).sort();

/** Few ids and fewer names, so that names are shared, left and come back. */
test.each(Array.from({ length: 20 }, (_, seed) => seed))("a table and an overlay agree with a plain map, seed %i", (seed) => {
  const random = new SeededRandom(seed);
  const table = new Table<Row>(INDEXES);
  const model = new Map<string, Row>();
  let overlay = new OverlayTable<Row>(table, INDEXES);
  let covered = new Map<string, Row>();
  const check = (rows: Table<Row> | OverlayTable<Row>, expected: ReadonlyMap<string, Row>) => {
    expect(sorted(rows.all())).toEqual([...expected.keys()].sort());
    expect(rows.size).toBe(expected.size);
    for (const name of ["x", "y", "z"]) expect(sorted(rows.lookup("name", name))).toEqual(sorted([...expected.values()].filter((row) => row.name === name)));
    expect(sorted(rows.byIdPrefix("1"))).toEqual([...expected.keys()].filter((id) => id.startsWith("1")).sort());
  };
  for (let step = 0; step < 300; step++) {
    const row: Row = { id: String(integerBetween(random, 0, 14)), name: [undefined, "x", "y", "z"][integerBetween(random, 0, 3)] };
    const choice = random.next();
    if (choice < 0.3) {
      expect(table.put(row)).toBe(model.get(row.id));
      model.set(row.id, row);
    } else if (choice < 0.4) {
      expect(table.delete(row.id)).toBe(model.get(row.id));
      model.delete(row.id);
    } else if (choice < 0.8) {
      overlay.put(row);
      covered.set(row.id, row);
    } else if (choice < 0.95) {
      overlay.remove(row.id);
      covered.set(row.id, { id: "", name: undefined });
    } else if (choice < 0.98) {
      overlay.uncover(row.id);
      covered.delete(row.id);
    } else {
      overlay = new OverlayTable<Row>(table, INDEXES);
      covered = new Map();
    }
    check(table, model);
    check(overlay, new Map([...new Map([...model, ...covered])].filter(([id, { id: own }]) => id === own)));
  }
});

import assert from "node:assert/strict";
import { cornerOf, describeSize, neighbourMap, unitAt } from "../../demo/xray/scripts/maps.js";

const LAYER = {
  maps: Array.from({ length: 64 }, (_, i) => i),
  count: 64,
  columns: 16,
  rows: 4,
  mapHeight: 14,
  mapWidth: 14,
  blocks: [1, 1],
  size: [14, 14],
  stepX: 15,
  stepY: 15,
  width: 239,
  height: 59,
};
// Shows every third of 96 maps; a pixel is 2x3 units, and the last row is not full.
const SPARSE = {
  maps: Array.from({ length: 30 }, (_, i) => 3 * i),
  count: 96,
  columns: 16,
  rows: 2,
  mapHeight: 7,
  mapWidth: 5,
  blocks: [2, 3],
  size: [13, 15],
  stepX: 6,
  stepY: 8,
  width: 95,
  height: 15,
};

Deno.test("unitAt finds every unit where it is painted", () => {
  const mosaic = { getBoundingClientRect: () => ({ left: 10, top: 20, width: 478, height: 118 }) };
  for (let map = 0; map < LAYER.count; map++) {
    const { x, y } = cornerOf(LAYER, map);
    for (const [row, column] of [[0, 0], [13, 13], [3, 9]]) {
      const event = { clientX: 10 + 2 * (x + column) + 1, clientY: 20 + 2 * (y + row) + 1 };
      const found = unitAt(LAYER, mosaic, event);
      assert.deepEqual(found, { layer: LAYER, map, row, column });
    }
  }
});

Deno.test("arrow keys wrap around the edges", () => {
  assert.equal(neighbourMap("ArrowLeft", LAYER, 0), 15);
  assert.equal(neighbourMap("ArrowUp", LAYER, 0), 48);
  assert.equal(neighbourMap("ArrowRight", LAYER, 63), 48);
  assert.equal(neighbourMap("ArrowDown", LAYER, 63), 15);
});

Deno.test("unitAt returns the unit in the middle of a block", () => {
  const mosaic = { getBoundingClientRect: () => ({ left: 0, top: 0, width: 95, height: 15 }) };
  const { x, y } = cornerOf(SPARSE, 51);
  assert.deepEqual([x, y], [6, 8]); // the eighteenth in the mosaic
  const found = unitAt(SPARSE, mosaic, { clientX: x + 4.5, clientY: y + 6.5 });
  assert.deepEqual(found, { layer: SPARSE, map: 51, row: 12, column: 13 });
  assert.equal(cornerOf(SPARSE, 50), null);
  const empty = unitAt(SPARSE, mosaic, { clientX: 94, clientY: 14 });
  assert.equal(empty.map, 87); // beyond the end of the last row, the last map
});

Deno.test("arrow keys go to shown maps, and from other maps by number", () => {
  assert.equal(neighbourMap("ArrowRight", SPARSE, 0), 3);
  assert.equal(neighbourMap("ArrowRight", SPARSE, 50), 51);
  assert.equal(neighbourMap("ArrowLeft", SPARSE, 1), 0);
});

Deno.test("a layer's size is described with the number of shown maps", () => {
  const layer = { units: null, count: 3, size: [6, 4], maps: [0, 2] };
  assert.equal(describeSize(layer), "3 maps of 6×4, 2 of them shown");
  assert.equal(describeSize({ ...layer, maps: [0, 1, 2] }), "3 maps of 6×4");
  assert.equal(describeSize({ ...layer, count: 1, maps: [0], size: [12, 8] }), "12×8");
  assert.equal(describeSize({ units: 3, count: 1, size: [2, 2], maps: [0] }), "3 units");
});

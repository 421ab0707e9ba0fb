import assert from "node:assert/strict";
import { neighbourMap, placeOf, unitAt } from "../../demo/xray/scripts/maps.js";

const LAYER = { maps: 64, columns: 16, rows: 4, side: 14, step: 15, width: 239, height: 59 };

Deno.test("every unit is found where it is painted", () => {
  const mosaic = { getBoundingClientRect: () => ({ left: 10, top: 20, width: 478, height: 118 }) };
  for (let map = 0; map < LAYER.maps; map++) {
    const { x, y } = placeOf(LAYER, map);
    for (const [row, column] of [[0, 0], [13, 13], [3, 9]]) {
      const event = { clientX: 10 + 2 * (x + column) + 1, clientY: 20 + 2 * (y + row) + 1 };
      const found = unitAt(LAYER, mosaic, event);
      assert.deepEqual(found, { layer: LAYER, map, row, column });
    }
  }
});

Deno.test("arrows go round the edges", () => {
  assert.equal(neighbourMap("ArrowLeft", LAYER, 0), 15);
  assert.equal(neighbourMap("ArrowUp", LAYER, 0), 48);
  assert.equal(neighbourMap("ArrowRight", LAYER, 63), 48);
  assert.equal(neighbourMap("ArrowDown", LAYER, 63), 15);
});

import assert from "node:assert/strict";
import {
  packStrokes,
  readLink,
  unpackStrokes,
  writeLink,
} from "../../demo/xray/scripts/permalink.js";

const STROKES = [
  { size: 0.08, erase: false, points: [[0.1, 0.2], [0.5, 0.999], [-0.3, 1.4]] },
  { size: 0.16, erase: true, points: [[1, 1]] },
];

Deno.test("a packed drawing is unpacked unchanged", () => {
  assert.deepEqual(unpackStrokes(packStrokes(STROKES)), STROKES);
  assert.deepEqual(unpackStrokes(packStrokes([])), []);
});

Deno.test("a point takes about three characters", () => {
  const points = Array.from({ length: 100 }, (_, i) => [i / 100, 0.5 + (i % 3) / 1000]);
  const text = packStrokes([{ size: 0.08, erase: false, points }]);
  assert.ok(text.length < 320, `${text.length}`);
  assert.match(text, /^[\w-]+$/); // nothing that a URL would escape
});

Deno.test("malformed drawings are rejected", () => {
  const malformed = ["_____w", "AAAA", "!", packStrokes(STROKES).slice(0, -3), "gICAgICAgICA"];
  for (const text of malformed) assert.throws(() => unpackStrokes(text), text);
  const tooManyPoints = btoa("\x02\x00" + "\xff".repeat(8)).replaceAll("/", "_");
  assert.throws(() => unpackStrokes(tooManyPoints));
});

Deno.test("a view is read back from its link", () => {
  globalThis.location = { href: "http://page/path?__theme=dark#old" };
  const view = { model: "flowers", strokes: STROKES, version: 100, layer: 3, map: 7 };
  Object.assign(view, { challenge: "7-1", follow: false });
  const link = writeLink({ ...view, unit: { row: 2, column: 3 } });
  assert.ok(link.startsWith("http://page/path#"));
  assert.deepEqual(readLink(new URL(link).hash), {
    ...view,
    layer: "3", // text, because older links hold names
    unit: { row: 2, column: 3 },
  });
  assert.equal(readLink("#drawing=!"), null);
  assert.equal(readLink("#elsewhere"), null);
  assert.equal(readLink("#model=flowers").strokes, null); // links hold no pictures
  assert.equal(readLink(`#drawing=${packStrokes(STROKES)}&version=many`).version, null);
  const following = new URL(writeLink({ ...view, follow: true, language: "de" })).hash;
  assert.equal(readLink(following).follow, true);
  assert.equal(readLink(following).version, null); // what is followed has no fixed version
  assert.equal(new URLSearchParams(following.slice(1)).get("language"), "de");
});

// Geometry of a layer's mosaic: maps in rows and columns with a gap between them, units in maps.
// Maps are numbered within their layer; the mosaic of a large layer shows only some of them.

import { t } from "./language.js";

// The top left corner of a map in its layer's mosaic; null if it is not shown there.
export function cornerOf(layer, map) {
  const position = layer.maps.indexOf(map);
  if (position < 0) return null;
  return {
    x: (position % layer.columns) * layer.stepX,
    y: Math.floor(position / layer.columns) * layer.stepY,
  };
}

const clamp = (number, end) => Math.min(end - 1, Math.max(0, number));

// The unit in the middle of a pixel, which may stand for a block of units.
const unitOf = (pixel, block, size) => clamp(pixel * block + Math.floor(block / 2), size);

// The pixel of a unit within its map.
export const pixelOf = (layer, { row, column }) => ({
  y: Math.floor(row / layer.blocks[0]),
  x: Math.floor(column / layer.blocks[1]),
});

// The unit under the pointer in a mosaic.
export function unitAt(layer, mosaic, event) {
  const box = mosaic.getBoundingClientRect();
  const split = (fraction, pixels, step, size) => {
    const pixel = clamp(Math.floor(fraction * pixels), pixels);
    return [Math.floor(pixel / step), clamp(pixel % step, size)];
  };
  const { width, height, stepX, stepY, mapWidth, mapHeight, blocks, size } = layer;
  const [mapColumn, x] = split((event.clientX - box.left) / box.width, width, stepX, mapWidth);
  const [mapRow, y] = split((event.clientY - box.top) / box.height, height, stepY, mapHeight);
  const position = clamp(mapRow * layer.columns + mapColumn, layer.maps.length);
  return {
    layer,
    map: layer.maps[position],
    row: unitOf(y, blocks[0], size[0]),
    column: unitOf(x, blocks[1], size[1]),
  };
}

// Shows a frame; all numbers are fractions of its parent's size.
export function placeFrame(frame, left, top, width, height) {
  const percent = (fraction) => `${100 * fraction}%`;
  Object.assign(frame.style, {
    display: "block",
    left: percent(left),
    top: percent(top),
    width: percent(width),
    height: percent(height),
  });
}

export function frameMap(mosaic, layer, map) {
  const frame = mosaic.querySelector(".frame");
  const corner = cornerOf(layer, map);
  frame.style.display = "none";
  if (!corner) return;
  const [width, height] = [layer.mapWidth / layer.width, layer.mapHeight / layer.height];
  placeFrame(frame, corner.x / layer.width, corner.y / layer.height, width, height);
}

export const STEPS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

// The neighbour in an arrow key's direction, in a grid that wraps around.
export function neighbour(key, [row, column], [rows, columns]) {
  const [down, right] = STEPS[key];
  return [(row + down + rows) % rows, (column + right + columns) % columns];
}

// The neighbour among the shown maps; for a map that is not shown, the next or previous number.
export function neighbourMap(key, layer, map) {
  const position = layer.maps.indexOf(map);
  if (position < 0) {
    const [down, right] = STEPS[key];
    return (map + (down || right) + layer.count) % layer.count;
  }
  const from = [Math.floor(position / layer.columns), position % layer.columns];
  const [row, column] = neighbour(key, from, [layer.rows, layer.columns]);
  return layer.maps[Math.min(row * layer.columns + column, layer.maps.length - 1)];
}

export const hasMaps = (layer) => layer.count > 1;

// Whether the mosaic shows every unit of a map as a pixel.
export const isShownInFull = (layer, map) =>
  layer.maps.includes(map) && layer.blocks.every((block) => block === 1);

export function describeMap(layer, map) {
  if (layer.units !== null) return t("units 0–{last}, row by row", { last: layer.units - 1 });
  if (!hasMaps(layer)) return layer.size.join("×");
  return t("map {map} of 0–{last}", { map, last: layer.count - 1 });
}

// A layer's units or maps, and how many of them are shown.
export function describeSize({ units, count, size, maps }) {
  if (units !== null) return t("{count} units", { count: units });
  const values = { count, size: size.join("×"), shown: maps.length };
  if (count === 1) return values.size;
  return maps.length < count
    ? t("{count} maps of {size}, {shown} of them shown", values)
    : t("{count} maps of {size}", values);
}

// Where things are in a mosaic: maps in rows and columns with a gap between them, units in maps.
// A map has its own number among all of its layer; only some of them may be in the mosaic.

// The corner of a map in its layer's mosaic; null if it is not shown there.
export function placeOf(layer, map) {
  const shown = layer.maps.indexOf(map);
  if (shown < 0) return null;
  return {
    x: (shown % layer.columns) * layer.stepX,
    y: Math.floor(shown / layer.columns) * layer.stepY,
  };
}

const clamp = (number, end) => Math.min(end - 1, Math.max(0, number));

// The unit in the middle of a pixel, which may stand for a block of units.
const unitOf = (pixel, block, size) => clamp(pixel * block + Math.floor(block / 2), size);

export const pixelOf = (layer, { row, column }) => ({
  y: Math.floor(row / layer.blocks[0]),
  x: Math.floor(column / layer.blocks[1]),
});

// The map and the unit under a pointer.
export function unitAt(layer, mosaic, event) {
  const box = mosaic.getBoundingClientRect();
  const at = (position, pixels, step, size) => {
    const pixel = clamp(Math.floor(position * pixels), pixels);
    return [Math.floor(pixel / step), clamp(pixel % step, size)];
  };
  const { width, height, stepX, stepY, mapWidth, mapHeight, blocks, size } = layer;
  const [mapColumn, x] = at((event.clientX - box.left) / box.width, width, stepX, mapWidth);
  const [mapRow, y] = at((event.clientY - box.top) / box.height, height, stepY, mapHeight);
  const shown = clamp(mapRow * layer.columns + mapColumn, layer.maps.length);
  return {
    layer,
    map: layer.maps[shown],
    row: unitOf(y, blocks[0], size[0]),
    column: unitOf(x, blocks[1], size[1]),
  };
}

export function place(frame, left, top, width, height) {
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
  const corner = placeOf(layer, map);
  frame.style.display = "none";
  if (!corner) return;
  const [width, height] = [layer.mapWidth / layer.width, layer.mapHeight / layer.height];
  place(frame, corner.x / layer.width, corner.y / layer.height, width, height);
}

export const STEPS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

// The neighbour that an arrow key leads to, on a field of rows and columns without an edge.
export function neighbour(key, [row, column], [rows, columns]) {
  const [down, right] = STEPS[key];
  return [(row + down + rows) % rows, (column + right + columns) % columns];
}

// Among the maps that are shown; from any other one, the next by number.
export function neighbourMap(key, layer, map) {
  const shown = layer.maps.indexOf(map);
  if (shown < 0) {
    const [down, right] = STEPS[key];
    return (map + (down || right) + layer.count) % layer.count;
  }
  const from = [Math.floor(shown / layer.columns), shown % layer.columns];
  const [row, column] = neighbour(key, from, [layer.rows, layer.columns]);
  return layer.maps[Math.min(row * layer.columns + column, layer.maps.length - 1)];
}

export const hasMaps = (layer) => layer.count > 1;

// Whether a map is in the mosaic, unit by unit.
export const isShownWhole = (layer, map) =>
  layer.maps.includes(map) && layer.blocks.every((block) => block === 1);

export function nameOf(layer, map) {
  if (layer.units !== null) return `units 0–${layer.units - 1}, row by row`;
  return hasMaps(layer) ? `map ${map} of 0–${layer.count - 1}` : `${layer.size.join("×")}`;
}

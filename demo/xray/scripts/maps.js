// Where things are in a mosaic: maps in rows and columns with a gap between them, units in maps.

export const placeOf = (layer, map) => ({
  x: (map % layer.columns) * layer.step,
  y: Math.floor(map / layer.columns) * layer.step,
});

// The map and the unit under a pointer.
export function unitAt(layer, mosaic, event) {
  const box = mosaic.getBoundingClientRect();
  const at = (position, pixels) => {
    const pixel = Math.min(pixels - 1, Math.max(0, Math.floor(position * pixels)));
    const within = pixel % layer.step;
    return [Math.floor(pixel / layer.step), Math.min(layer.side - 1, within)];
  };
  const [mapColumn, column] = at((event.clientX - box.left) / box.width, layer.width);
  const [mapRow, row] = at((event.clientY - box.top) / box.height, layer.height);
  return { layer, map: mapRow * layer.columns + mapColumn, row, column };
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
  const { x, y } = placeOf(layer, map);
  const [width, height] = [layer.side / layer.width, layer.side / layer.height];
  place(mosaic.querySelector(".frame"), x / layer.width, y / layer.height, width, height);
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

export function neighbourMap(key, layer, map) {
  const from = [Math.floor(map / layer.columns), map % layer.columns];
  const [row, column] = neighbour(key, from, [layer.rows, layer.columns]);
  return row * layer.columns + column;
}

export const nameOf = (layer, map) =>
  layer.maps > 1 ? `map ${map} of 0–${layer.maps - 1}` : "units 0–1023, row by row";

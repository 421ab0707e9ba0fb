// The enlarged map: hover and choose its units by pointer or with the arrow keys.

import { emit, makeCopy } from "./dom.js";
import { neighbour, STEPS } from "./maps.js";

// `choose` gets a unit; `getStrongest` returns the unit to start from if none is chosen.
export function makeLargeMap(element, state, choose, getStrongest) {
  const canvas = element.querySelector(".large");
  const large = {};

  function unitUnder(event) {
    const { layer, map } = state.openMap;
    const box = canvas.getBoundingClientRect();
    const index = (fraction, size) => Math.min(size - 1, Math.max(0, Math.floor(fraction * size)));
    return {
      layer,
      map,
      row: index((event.clientY - box.top) / box.height, layer.size[0]),
      column: index((event.clientX - box.left) / box.width, layer.size[1]),
    };
  }

  // Shows a part of an image.
  large.draw = makeCopy(canvas);

  large.clear = () => canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);

  large.step = (key) => {
    const { layer, map, unit } = state.openMap;
    const middle = { row: Math.floor(layer.size[0] / 2), column: Math.floor(layer.size[1] / 2) };
    const { row, column } = unit ?? getStrongest() ?? middle;
    const [newRow, newColumn] = neighbour(key, [row, column], layer.size);
    choose({ layer, map, row: newRow, column: newColumn });
  };

  large.focus = () => canvas.focus({ preventScroll: true });

  canvas.addEventListener(
    "pointermove",
    (event) => emit(element, "unit-hovered", unitUnder(event)),
  );
  canvas.addEventListener("pointerleave", () => emit(element, "unit-hovered", null));
  canvas.addEventListener("click", (event) => choose(unitUnder(event)));
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    event.stopPropagation();
    large.step(event.key);
  });
  return large;
}

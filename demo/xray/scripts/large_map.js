// The open map, large: its units can be pointed at, chosen, and walked through with the arrows.

import { neighbour, STEPS } from "./maps.js";

// `choose` gets a unit; `strongest` tells the one to set out from where none is chosen.
export function makeLargeMap(element, state, choose, strongest) {
  const canvas = element.querySelector(".large");
  const context = canvas.getContext("2d");
  const point = (detail) => element.dispatchEvent(new CustomEvent("pointed", { detail }));
  const large = {};

  function unitUnder(event) {
    const { layer, map } = state.open;
    const box = canvas.getBoundingClientRect();
    const at = (position, size) => Math.min(size - 1, Math.max(0, Math.floor(position * size)));
    return {
      layer,
      map,
      row: at((event.clientY - box.top) / box.height, layer.size[0]),
      column: at((event.clientX - box.left) / box.width, layer.size[1]),
    };
  }

  large.draw = (picture) => {
    Object.assign(canvas, { width: picture.width, height: picture.height });
    context.drawImage(picture, 0, 0);
  };

  // A map as it is in its layer's mosaic.
  large.copy = (mosaic, { mapWidth, mapHeight }, { x, y }) => {
    if (canvas.width !== mapWidth) canvas.width = mapWidth;
    if (canvas.height !== mapHeight) canvas.height = mapHeight;
    context.globalCompositeOperation = "copy";
    context.drawImage(mosaic, x, y, mapWidth, mapHeight, 0, 0, mapWidth, mapHeight);
  };

  large.clear = () => context.clearRect(0, 0, canvas.width, canvas.height);

  large.step = (key) => {
    const { layer, map, unit } = state.open;
    const middle = { row: Math.floor(layer.size[0] / 2), column: Math.floor(layer.size[1] / 2) };
    const { row, column } = unit ?? strongest() ?? middle;
    const [down, right] = neighbour(key, [row, column], layer.size);
    choose({ layer, map, row: down, column: right });
  };

  large.focus = () => canvas.focus({ preventScroll: true });

  canvas.addEventListener("pointermove", (event) => point(unitUnder(event)));
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("click", (event) => choose(unitUnder(event)));
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    event.stopPropagation();
    large.step(event.key);
  });
  return large;
}

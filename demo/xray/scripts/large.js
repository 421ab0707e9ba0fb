// The open map, large: its units can be pointed at, chosen, and walked through with the arrows.

import { makeCopy } from "./galleries.js";
import { neighbour, placeOf, STEPS } from "./maps.js";

// `choose` gets a unit; `strongest` tells the one to set out from where none is chosen.
export function makeLarge(element, state, choose, strongest) {
  const canvas = element.querySelector(".large");
  const copy = makeCopy(canvas);
  const point = (detail) => element.dispatchEvent(new CustomEvent("pointed", { detail }));
  const large = {};

  function unitUnder(event) {
    const { layer, map } = state.open;
    const box = canvas.getBoundingClientRect();
    const at = (position) =>
      Math.min(layer.side - 1, Math.max(0, Math.floor((position / box.width) * layer.side)));
    return { layer, map, row: at(event.clientY - box.top), column: at(event.clientX - box.left) };
  }

  large.draw = ({ layer, map }) => {
    const { x, y } = placeOf(layer, map);
    copy(state.sheet, x, y + layer.top, layer.side, layer.side);
  };

  large.step = (key) => {
    const { layer, map, unit } = state.open;
    const middle = Math.floor(layer.side / 2);
    const { row, column } = unit ?? strongest() ?? { row: middle, column: middle };
    const [down, right] = neighbour(key, [row, column], [layer.side, layer.side]);
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

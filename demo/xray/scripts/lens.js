// What is under the pointer: a unit's exact value, the part of the input that it sees, and the same
// spot in every layer.

import { makeAsker } from "./loop.js";
import { hasMaps, pixelOf, place, placeOf } from "./maps.js";
import { setText } from "./text.js";

const DECIMALS = 4; // after the point
const ROWS = 0; // the axes of a field
const COLUMNS = 1;

export function makeLens(element, state, galleries, askUnit) {
  const line = element.querySelector(".lens");
  const boxes = element.querySelectorAll(".sees");
  let pointed = null; // {layer, map, row, column}
  const colour = getComputedStyle(element).getPropertyValue("--lens");

  // The part of the input that a unit sees along an axis, cut at the border: a receptive field.
  function fieldOf({ size, stride, before }, at, end) {
    const start = stride * at - before;
    return [Math.max(0, start) / end, Math.min(end, start + size) / end];
  }

  function wipe() {
    for (const { spots } of galleries.each()) {
      spots.getContext("2d").clearRect(0, 0, spots.width, spots.height);
    }
  }

  function clear() {
    pointed = null;
    ask(null);
    for (const box of boxes) box.style.display = "none";
    line.hidden = true;
    wipe();
  }

  function mark({ layer, row, column }) {
    const { height, width } = state.network.input;
    const [top, bottom] = fieldOf(layer.receptive_field[ROWS], row, height);
    const [left, right] = fieldOf(layer.receptive_field[COLUMNS], column, width);
    for (const box of boxes) place(box, left, top, right - left, bottom - top);
    // The middle of what it sees, in the units of another layer.
    const middle = (axis, at) => (at + 0.5) * layer.receptive_field[axis].stride;
    const there = (other, axis, at) =>
      Math.min(other.size[axis] - 1, Math.floor(middle(axis, at) / other.field[axis].stride));
    wipe();
    for (const { layer: other, spots } of galleries.each()) {
      if (!other.field) continue;
      const unit = { row: there(other, ROWS, row), column: there(other, COLUMNS, column) };
      const { x, y } = pixelOf(other, unit);
      const context = spots.getContext("2d");
      context.fillStyle = colour;
      for (const map of other.maps) {
        const corner = placeOf(other, map);
        context.fillRect(corner.x + x, corner.y + y, 1, 1);
      }
    }
  }

  const ask = makeAsker(
    ({ layer, map, row, column }) => askUnit({ layer: layer.index, map, row, column }),
    ({ layer, map, row, column }, { value, largest, mean, error }) => {
      if (error) return; // the live loop says what is the matter
      const unit = row * layer.size[1] + column;
      const of = layer.units === null
        ? `${layer.name}${hasMaps(layer) ? ` map ${map}` : ""}: largest ${
          largest.toFixed(2)
        }, mean ${mean.toFixed(2)}; row ${row}, column ${column}: `
        : `${layer.name} unit ${unit}: `;
      setText(line, of + value.toFixed(DECIMALS));
      line.hidden = false;
    },
  );

  element.addEventListener("pointed", ({ detail }) => {
    if (!detail) return clear();
    const { layer, row, column } = detail;
    if (layer.units !== null && row * layer.size[1] + column >= layer.units) return clear();
    pointed = detail;
    if (layer.receptive_field) mark(detail);
    ask(pointed);
  });
  element.addEventListener("shown", () => pointed && ask({ ...pointed })); // of another picture
  element.addEventListener("described", clear);
}

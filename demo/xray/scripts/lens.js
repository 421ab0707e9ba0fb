// The unit under the pointer: its exact value, its receptive field on the input, and the same
// position in every layer.

import { makeRequester } from "./loop.js";
import { t } from "./language.js";
import { cornerOf, hasMaps, pixelOf, placeFrame } from "./maps.js";
import { plain, setText } from "./text.js";

const ROWS = 0; // index of an axis
const COLUMNS = 1;
const OF_MAPS = "{layer} map {map} (max {max}, mean {mean}), row {row}, column {column}: {value}";
const OF_ONE_MAP = "{layer} (max {max}, mean {mean}), row {row}, column {column}: {value}";
const REFRESH_MS = 250; // while the picture changes: for an exact value the server sends a whole layer

export function makeLens(element, state, galleries, requestUnit) {
  const line = element.querySelector(".lens");
  const boxes = element.querySelectorAll(".receptive-field");
  const colour = getComputedStyle(element).getPropertyValue("--lens");
  let hovered = null; // {layer, map, row, column}
  let timer = null; // until the value is requested again

  // Start and end of a unit's receptive field along an axis, as fractions of the input.
  function extentOf({ size, stride, before }, index, length) {
    const start = stride * index - before;
    return [Math.max(0, start) / length, Math.min(length, start + size) / length];
  }

  function clearMarks() {
    for (const { marks } of galleries.all()) {
      marks.getContext("2d").clearRect(0, 0, marks.width, marks.height);
    }
  }

  function clear() {
    hovered = null;
    request(null);
    for (const box of boxes) box.style.display = "none";
    line.hidden = true;
    clearMarks();
  }

  function mark({ layer, row, column }) {
    const { height, width } = state.network.input;
    const [top, bottom] = extentOf(layer.receptive_field[ROWS], row, height);
    const [left, right] = extentOf(layer.receptive_field[COLUMNS], column, width);
    for (const box of boxes) placeFrame(box, left, top, right - left, bottom - top);
    clearMarks();
    // The unit of another layer that is at the centre of this one's stride on the input.
    const translate = (other, axis, index) => {
      const centre = (index + 0.5) * layer.receptive_field[axis].stride;
      const position = Math.floor(centre / other.receptive_field[axis].stride);
      return Math.min(other.size[axis] - 1, position);
    };
    for (const { layer: other, marks } of galleries.all()) {
      if (!other.receptive_field) continue;
      const unit = { row: translate(other, ROWS, row), column: translate(other, COLUMNS, column) };
      const { x, y } = pixelOf(other, unit);
      const context = marks.getContext("2d");
      context.fillStyle = colour;
      for (const map of other.maps) {
        const corner = cornerOf(other, map);
        context.fillRect(corner.x + x, corner.y + y, 1, 1);
      }
    }
  }

  const request = makeRequester(
    ({ layer, map, row, column }) => requestUnit({ layer: layer.index, map, row, column }),
    ({ layer, map, row, column }, { value, largest, mean, error }) => {
      if (error) return; // the prediction loop shows it
      const values = { layer: layer.name, map, row, column, value: plain(value) };
      Object.assign(values, { max: plain(largest, 2), mean: plain(mean, 2) });
      if (layer.units !== null) {
        const unit = row * layer.size[1] + column;
        setText(line, t("{layer} unit {unit}: {value}", { ...values, unit }));
      } else if (hasMaps(layer)) setText(line, t(OF_MAPS, values));
      else setText(line, t(OF_ONE_MAP, values));
      line.hidden = false;
    },
  );

  element.addEventListener("unit-hovered", ({ detail }) => {
    if (!detail) return clear();
    const { layer, row, column } = detail;
    if (layer.units !== null && row * layer.size[1] + column >= layer.units) return clear();
    hovered = detail;
    if (layer.receptive_field) mark(detail);
    request(hovered);
  });
  // The value in the next picture. A copy, since the same question is not asked twice.
  element.addEventListener("answer-shown", () => {
    timer ??= setTimeout(() => {
      timer = null;
      if (hovered) request({ ...hovered });
    }, REFRESH_MS);
  });
  element.addEventListener("network-loaded", clear);
}

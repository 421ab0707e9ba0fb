// What is under the pointer: a unit's exact value, the patch of the image that it sees, and the
// same spot in every layer.

import { makeAsker } from "./loop.js";
import { place, placeOf } from "./maps.js";
import { setText } from "./text.js";

const DIGITS = 4; // after the point

export function makeLens(element, layers, image, askUnit) {
  const line = element.querySelector(".lens");
  const box = element.querySelector(".seen .frame");
  const spots = layers.map((layer) => {
    const canvas = element.querySelector(`.gallery.${layer.name} .spots`);
    canvas.width = layer.width;
    canvas.height = layer.height;
    return canvas.getContext("2d");
  });
  let pointed = null; // {layer, map, row, column}
  const colour = getComputedStyle(element).getPropertyValue("--lens");

  // The patch of the image that a unit sees, cut at the border: a receptive field.
  function fieldOf({ stride, before, field }, at) {
    const start = stride * at - before;
    return [Math.max(0, start), Math.min(image.side, start + field)];
  }

  function clear() {
    pointed = null;
    ask(null);
    box.style.display = "none";
    line.hidden = true;
    spots.forEach((context, i) => context.clearRect(0, 0, layers[i].width, layers[i].height));
  }

  function mark({ layer, row, column }) {
    const [top, bottom] = fieldOf(layer, row).map((pixels) => pixels / image.side);
    const [left, right] = fieldOf(layer, column).map((pixels) => pixels / image.side);
    place(box, left, top, right - left, bottom - top);
    layers.forEach((other, i) => {
      const context = spots[i];
      context.clearRect(0, 0, other.width, other.height);
      if (!other.field) return;
      const y = Math.min(other.side - 1, Math.floor(((row + 0.5) * layer.stride) / other.stride));
      const x = Math.min(
        other.side - 1,
        Math.floor(((column + 0.5) * layer.stride) / other.stride),
      );
      context.fillStyle = colour;
      for (let map = 0; map < other.maps; map++) {
        const corner = placeOf(other, map);
        context.fillRect(corner.x + x, corner.y + y, 1, 1);
      }
    });
  }

  const ask = makeAsker(
    ({ layer, map, row, column }) => askUnit({ layer: layer.name, map, row, column }),
    ({ layer, map, row, column }, { value, largest, mean, error }) => {
      if (error) return; // the live loop says what is the matter
      const of = layer.field
        ? `${layer.name} map ${map}: largest ${largest.toFixed(2)}, mean ${
          mean.toFixed(2)
        }; row ${row}, column ${column}: `
        : `${layer.name} unit ${row * layer.side + column}: `;
      setText(line, of + value.toFixed(DIGITS));
      line.hidden = false;
    },
  );

  element.addEventListener("pointed", ({ detail }) => {
    if (!detail) return clear();
    pointed = detail;
    if (detail.layer.field) mark(detail);
    ask(pointed);
  });
  element.addEventListener("shown", () => pointed && ask({ ...pointed })); // of another drawing
}

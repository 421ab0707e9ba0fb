// What an answer looks like: the image that the network sees, and a gallery of each layer. Events of
// the element: `shown` of an answer, `pointed` at a unit (or at none), `chosen` of one.

import { frameMap, nameOf, neighbour, neighbourMap, STEPS, unitAt } from "./maps.js";
import { setText, short } from "./text.js";

// A canvas that copies parts of sheets, pixel by pixel; the style sheet scales it up.
export function makeCopy(canvas) {
  const context = canvas.getContext("2d");
  return (sheet, x, y, width, height) => {
    // Setting a size, even the same, makes the browser lay out the whole page again.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.globalCompositeOperation = "copy";
    context.drawImage(sheet, x, y, width, height, 0, 0, width, height);
  };
}

export function makeGalleries(element, state, image, layers) {
  const find = (selector) => element.querySelector(selector);
  const copyImage = makeCopy(find(".seen canvas"));
  const copyLayer = layers.map((layer) => makeCopy(find(`.gallery.${layer.name} canvas`)));
  const largest = layers.map((layer) => find(`.gallery.${layer.name} .largest`));
  const galleries = {};
  let asked = 0;
  let shown = 0; // pictures may be decoded in another order than they came

  // Draws a layer's mosaic somewhere else.
  galleries.paint = (context, { top, width, height }, x, y, scale) =>
    context.drawImage(state.sheet, 0, top, width, height, x, y, scale * width, scale * height);

  galleries.show = async (answer, askedAt) => {
    const turn = ++asked;
    const picture = await createImageBitmap(answer.sheet);
    if (turn < shown) return picture.close();
    shown = turn;
    state.sheet?.close();
    Object.assign(state, { answer, sheet: picture });
    copyImage(picture, 0, image.top, image.width, image.height);
    layers.forEach(({ name, top, width, height }, i) => {
      copyLayer[i](picture, 0, top, width, height);
      // Where the scale is held, what its brightest colour stands for, and else the largest.
      const held = state.style.held?.[name];
      const most = answer.largest[name];
      setText(largest[i], held === undefined ? `max ${short(most)}` : `to ${short(held)}`);
    });
    element.dispatchEvent(new CustomEvent("shown", { detail: { answer, askedAt }, bubbles: true }));
  };

  const tell = (event, detail) => element.dispatchEvent(new CustomEvent(event, { detail }));

  layers.forEach((layer) => {
    const figure = find(`.gallery.${layer.name}`);
    const mosaic = figure.querySelector(".mosaic");
    let unit = null; // pointed at

    function point(to) {
      unit = to;
      frameMap(mosaic, layer, unit.map);
      figure.classList.add("pointed");
      setText(figure.querySelector(".readout"), nameOf(layer, unit.map));
      tell("pointed", unit);
    }

    function leave() {
      unit = null;
      mosaic.querySelector(".frame").style.display = "none";
      figure.classList.remove("pointed");
      figure.querySelector(".readout").textContent = "";
      tell("pointed", null);
    }

    mosaic.addEventListener("pointermove", (event) => point(unitAt(layer, mosaic, event)));
    mosaic.addEventListener("pointerleave", leave);
    mosaic.addEventListener("blur", leave);
    mosaic.addEventListener("click", (event) => tell("chosen", unitAt(layer, mosaic, event)));
    // Arrows go from map to map, or with Shift, and in a layer of one map, from unit to unit.
    mosaic.addEventListener("keydown", (event) => {
      const middle = Math.floor(layer.side / 2);
      const { map, row, column } = unit ?? { map: 0, row: middle, column: middle };
      if (event.key === "Enter" || event.key === " ") tell("chosen", { layer, map, row, column });
      else if (!(event.key in STEPS)) return;
      else if (event.shiftKey || layer.maps === 1) {
        const [down, right] = neighbour(event.key, [row, column], [layer.side, layer.side]);
        point({ layer, map, row: down, column: right });
      } else point({ layer, map: unit ? neighbourMap(event.key, layer, map) : 0, row, column });
      event.preventDefault();
      event.stopPropagation();
    });
  });

  return galleries;
}

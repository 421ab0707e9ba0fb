// One gallery for each layer, and the network's input, cut out of the PNG of an answer.

import { emit, make, makeCopy } from "./dom.js";
import { t } from "./language.js";
import {
  describeMap,
  describeSize,
  frameMap,
  hasMaps,
  neighbour,
  neighbourMap,
  STEPS,
  unitAt,
} from "./maps.js";
import { setText, short } from "./text.js";

const FEW = 8; // layers requested before it is known which are in view

// `changed` is called when other layers come into view.
export function makeGalleries(element, state, changed) {
  const find = (selector) => element.querySelector(selector);
  const copyInput = makeCopy(find(".network-input canvas"));
  const galleries = {};
  let all = []; // [{layer, figure, canvas, marks, maximumLabel, copy, maximum}], in order
  let inView = null; // Set of layer indices; null until known
  let received = 0; // answers
  let shown = 0; // number of the answer on display: sheets may be decoded in another order

  const observer = new IntersectionObserver((entries) => {
    const before = galleries.requestedLayers().join();
    inView ??= new Set();
    for (const { target, isIntersecting } of entries) {
      const index = Number(target.dataset.layer);
      if (isIntersecting) inView.add(index);
      else inView.delete(index);
    }
    if (galleries.requestedLayers().join() !== before) changed();
  });

  // Input and scores are shown elsewhere and have no gallery.
  galleries.build = ({ layers, scores }) => {
    observer.disconnect();
    inView = null;
    const withGallery = layers.filter(({ index }) => index > 0 && index !== scores?.layer);
    element.classList.toggle("many-layers", withGallery.length > FEW);
    all = withGallery.map((layer) => makeGallery(element, layer));
    pair(all);
    find(".galleries").replaceChildren(...all.map(({ figure }) => figure));
    for (const { figure } of all) observer.observe(figure);
    const [input] = layers;
    setText(find(".input-size"), t("input {size}", { size: input.size.toReversed().join("×") }));
  };

  galleries.all = () => all;

  // Indices of the layers in view, with the input if it is a drawing.
  galleries.requestedLayers = () => {
    const indices = all.map(({ layer }) => layer.index);
    const wanted = inView ? indices.filter((index) => inView.has(index)) : indices.slice(0, FEW);
    return state.network.input.kind === "drawing" ? [0, ...wanted] : wanted;
  };

  galleries.show = async (answer, askedAt) => {
    const number = ++received;
    const sheet = await createImageBitmap(answer.sheet);
    if (number < shown || !state.network) return sheet.close();
    shown = number;
    let top = 0;
    answer.layers.forEach((index, i) => {
      const layer = state.network.layers[index];
      if (index === 0) copyInput(sheet, 0, top, layer.width, layer.height);
      const gallery = all.find((gallery) => gallery.layer.index === index);
      if (gallery) paint(gallery, sheet, top, answer.largest[i]);
      top += layer.height;
    });
    sheet.close();
    state.answer = answer;
    emit(element, "answer-shown", { answer, askedAt });
  };

  function paint(gallery, sheet, top, maximum) {
    const { layer } = gallery;
    gallery.copy(sheet, 0, top, layer.width, layer.height);
    gallery.maximum = maximum;
    const fixed = state.style.held?.[layer.index]; // what the brightest colour stands for
    const label = fixed === undefined
      ? t("max {value}", { value: short(maximum) })
      : t("to {value}", { value: short(fixed) });
    setText(gallery.maximumLabel, label);
  }

  // The largest activation on display, by layer index.
  galleries.maxima = () =>
    Object.fromEntries(
      all.flatMap(({ layer, maximum }) => maximum === undefined ? [] : [[layer.index, maximum]]),
    );

  return galleries;
}

// Captions in a row with a narrow gallery need two lines.
function pair(galleries) {
  const rows = [[]];
  for (const gallery of galleries) {
    if (gallery.layer.isWide) rows.push([gallery], []);
    else rows.at(-1).push(gallery);
  }
  for (const row of rows) {
    const isPaired = row.length > 1 && row.some(({ layer }) => layer.units !== null);
    for (const { figure } of row) figure.classList.toggle("paired", isPaired);
  }
}

function makeGallery(element, layer) {
  const isMaps = layer.units === null;
  const size = { width: layer.width, height: layer.height };
  const title = t(layer.title);
  const about = layer.about ? t(layer.about) : describeSize(layer);
  const named = { title, layer: layer.name, size: describeSize(layer) };
  const frame = make("i", { className: "frame" });
  const canvas = make("canvas", size);
  const marks = make("canvas", { className: "marks", ...size });
  const mosaic = make(
    "div",
    {
      className: "mosaic",
      tabIndex: 0,
      role: "button",
      ariaLabel: isMaps
        ? t("{title} {layer}: {size}. Arrow keys select a map, Enter opens it.", named)
        : t("{title} {layer}: {size}. Arrow keys select a unit, Enter opens it.", named),
    },
    canvas,
    marks,
    frame,
  );
  const help = make("button", {
    className: "help",
    ariaLabel: t("About {subject}", { subject: title }),
    data: { lesson: layer.kind },
    lessons: layer.lessons,
  }, "?");
  const readout = make("span", { className: "readout" });
  const maximumLabel = make("span", { className: "maximum" });
  const figure = make(
    "figure",
    {
      className: ["gallery", layer.isWide && "wide", !isMaps && "units"].filter(Boolean).join(" "),
      data: { layer: layer.index, name: layer.name },
      style: { "--aspect": layer.width / layer.height },
    },
    make(
      "figcaption",
      {},
      make("b", {}, title),
      help,
      make("code", {}, layer.name),
      make("span", { className: "about", title: about }, about), // may be cut off
      readout,
      maximumLabel,
    ),
    mosaic,
  );
  let hovered = null; // unit

  function hover(unit) {
    hovered = unit;
    frameMap(mosaic, layer, unit.map);
    figure.classList.add("hovered");
    setText(readout, describeMap(layer, unit.map));
    emit(element, "unit-hovered", unit);
  }

  function leave() {
    hovered = null;
    frame.style.display = "none";
    figure.classList.remove("hovered");
    readout.textContent = "";
    emit(element, "unit-hovered", null);
  }

  const select = (unit) => emit(element, "unit-selected", unit);

  mosaic.addEventListener("pointermove", (event) => hover(unitAt(layer, mosaic, event)));
  mosaic.addEventListener("pointerleave", leave);
  mosaic.addEventListener("blur", leave);
  mosaic.addEventListener("click", (event) => select(unitAt(layer, mosaic, event)));
  // Arrow keys go from map to map; with Shift, or in a layer without maps, from unit to unit.
  mosaic.addEventListener("keydown", (event) => {
    const { map, row, column } = hovered ?? {
      map: layer.maps[0],
      row: Math.floor(layer.size[0] / 2),
      column: Math.floor(layer.size[1] / 2),
    };
    if (event.key === "Enter" || event.key === " ") select({ layer, map, row, column });
    else if (!(event.key in STEPS)) return;
    else if (event.shiftKey || !hasMaps(layer)) {
      const [newRow, newColumn] = neighbour(event.key, [row, column], layer.size);
      hover({ layer, map, row: newRow, column: newColumn });
    } else hover({ layer, map: hovered ? neighbourMap(event.key, layer, map) : map, row, column });
    event.preventDefault();
    event.stopPropagation();
  });

  return { layer, figure, canvas, marks, maximumLabel, copy: makeCopy(canvas) };
}

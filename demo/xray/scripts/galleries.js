// What an answer looks like: what the network sees, and a gallery of each layer. Events of the
// element: `shown` of an answer, `pointed` at a unit (or at none), `chosen` of one.

import { make } from "./dom.js";
import { frameMap, hasMaps, nameOf, neighbour, neighbourMap, STEPS, unitAt } from "./maps.js";
import { setText, short } from "./text.js";

const FEW = 8; // layers that are all asked for before it is known which are in sight

// A canvas that copies parts of pictures, pixel by pixel; the style sheet scales it up.
export function makeCopy(canvas) {
  const context = canvas.getContext("2d");
  return (picture, x, y, width, height) => {
    // Setting a size, even the same, makes the browser lay out the whole page again.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.globalCompositeOperation = "copy";
    context.drawImage(picture, x, y, width, height, 0, 0, width, height);
  };
}

// `changed` is called when other layers have come into sight.
export function makeGalleries(element, state, changed) {
  const find = (selector) => element.querySelector(selector);
  const copyInput = makeCopy(find(".seen canvas"));
  const tell = (event, detail) => element.dispatchEvent(new CustomEvent(event, { detail }));
  const galleries = {};
  let shownLayers = []; // {layer, figure, mosaic, canvas, copy, largest}, in order
  let inSight = null; // numbers of layers; null before that is known
  let asked = 0;
  let shown = 0; // pictures may be decoded in another order than they came

  const observer = new IntersectionObserver((entries) => {
    const before = galleries.layers().join();
    inSight ??= new Set();
    for (const { target, isIntersecting } of entries) {
      const index = Number(target.dataset.layer);
      if (isIntersecting) inSight.add(index);
      else inSight.delete(index);
    }
    if (galleries.layers().join() !== before) changed();
  });

  // A gallery for each layer that has activations to show: scores have a place of their own.
  galleries.build = ({ layers, scores }) => {
    observer.disconnect();
    inSight = null;
    const galleried = layers.filter(({ index }) => index > 0 && index !== scores?.layer);
    element.classList.toggle("many", galleried.length > FEW);
    shownLayers = galleried.map((layer) => makeGallery(layer, tell));
    pair(shownLayers);
    find(".galleries").replaceChildren(...shownLayers.map(({ figure }) => figure));
    for (const { figure } of shownLayers) observer.observe(figure);
    const [input] = layers;
    find(".seen-size").textContent = input.size.toReversed().join("×");
  };

  galleries.each = () => shownLayers;

  // Those to ask for: what is in sight, and of a drawing what the network sees.
  galleries.layers = () => {
    const known = shownLayers.map(({ layer }) => layer.index);
    const wanted = inSight ? known.filter((index) => inSight.has(index)) : known.slice(0, FEW);
    return state.network.input.kind === "drawing" ? [0, ...wanted] : wanted;
  };

  galleries.show = async (answer, askedAt) => {
    const turn = ++asked;
    const picture = await createImageBitmap(answer.sheet);
    if (turn < shown || !state.network) return picture.close();
    shown = turn;
    let top = 0;
    answer.layers.forEach((index, i) => {
      const layer = state.network.layers[index];
      if (index === 0) copyInput(picture, 0, top, layer.width, layer.height);
      const gallery = shownLayers.find((one) => one.layer.index === index);
      if (gallery) paint(gallery, picture, top, answer.largest[i]);
      top += layer.height;
    });
    picture.close();
    state.answer = answer;
    element.dispatchEvent(new CustomEvent("shown", { detail: { answer, askedAt }, bubbles: true }));
  };

  function paint(gallery, picture, top, most) {
    const { layer } = gallery;
    gallery.copy(picture, 0, top, layer.width, layer.height);
    gallery.most = most;
    // Where the scale is held, what its brightest colour stands for, and else the largest.
    const held = state.style.held?.[layer.index];
    setText(gallery.largest, held === undefined ? `max ${short(most)}` : `to ${short(held)}`);
  }

  // By layer, the largest activation that was shown last.
  galleries.largest = () =>
    Object.fromEntries(
      shownLayers.flatMap(({ layer, most }) => most === undefined ? [] : [[layer.index, most]]),
    );

  return galleries;
}

// Captions of galleries that share a row with a small one have two lines.
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

function makeGallery(layer, tell) {
  const frame = make("i", { className: "frame" });
  const canvas = make("canvas", { width: layer.width, height: layer.height });
  const spots = make("canvas", { className: "spots", width: layer.width, height: layer.height });
  const mosaic = make(
    "div",
    { className: "mosaic", tabIndex: 0, role: "button" },
    canvas,
    spots,
    frame,
  );
  const what = layer.units === null
    ? `${layer.count} maps of ${layer.size.join(" by ")}`
    : `${layer.units} units`;
  mosaic.setAttribute(
    "aria-label",
    `${layer.title} ${layer.name}, ${what}: arrow keys point at one, Enter opens it`,
  );
  const ask = make("button", { className: "ask" }, "?");
  ask.setAttribute("aria-label", `About ${layer.title}`);
  ask.dataset.lesson = layer.kind;
  ask.lesson = layer.lessons;
  const readout = make("span", { className: "readout" });
  const largest = make("span", { className: "largest" });
  const figure = make(
    "figure",
    {
      className: ["gallery", layer.isWide && "wide", layer.units !== null && "units"]
        .filter(Boolean).join(" "),
      data: { layer: layer.index, name: layer.name },
      style: { "--aspect": layer.width / layer.height, "--pixels": layer.width },
    },
    make(
      "figcaption",
      {},
      make("b", {}, layer.title),
      ask,
      make("code", {}, layer.name),
      make("span", { className: "about" }, layer.about),
      readout,
      largest,
    ),
    mosaic,
  );
  let unit = null; // pointed at

  function point(to) {
    unit = to;
    frameMap(mosaic, layer, unit.map);
    figure.classList.add("pointed");
    setText(readout, nameOf(layer, unit.map));
    tell("pointed", unit);
  }

  function leave() {
    unit = null;
    frame.style.display = "none";
    figure.classList.remove("pointed");
    readout.textContent = "";
    tell("pointed", null);
  }

  mosaic.addEventListener("pointermove", (event) => point(unitAt(layer, mosaic, event)));
  mosaic.addEventListener("pointerleave", leave);
  mosaic.addEventListener("blur", leave);
  mosaic.addEventListener("click", (event) => tell("chosen", unitAt(layer, mosaic, event)));
  // Arrows go from map to map, or with Shift, and in a layer of one map, from unit to unit.
  mosaic.addEventListener("keydown", (event) => {
    const { map, row, column } = unit ?? {
      map: layer.maps[0],
      row: Math.floor(layer.size[0] / 2),
      column: Math.floor(layer.size[1] / 2),
    };
    if (event.key === "Enter" || event.key === " ") tell("chosen", { layer, map, row, column });
    else if (!(event.key in STEPS)) return;
    else if (event.shiftKey || !hasMaps(layer)) {
      const [down, right] = neighbour(event.key, [row, column], layer.size);
      point({ layer, map, row: down, column: right });
    } else point({ layer, map: unit ? neighbourMap(event.key, layer, map) : map, row, column });
    event.preventDefault();
    event.stopPropagation();
  });

  return { layer, figure, mosaic, canvas, spots, largest, copy: makeCopy(canvas) };
}

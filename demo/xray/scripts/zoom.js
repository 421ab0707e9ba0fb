// One map, large, over the galleries: it stays while the pen goes on, with the arithmetic of one of
// its units, the strongest unless another is chosen. Scores open here as well.

import { makeArithmetic } from "./arithmetic.js";
import { makeCopy } from "./galleries.js";
import { makeLargeMap } from "./large_map.js";
import { makeAsker } from "./loop.js";
import {
  frameMap,
  hasMaps,
  isShownWhole,
  nameOf,
  neighbourMap,
  place,
  placeOf,
  STEPS,
  unitAt,
} from "./maps.js";

// `askAnatomy` tells how a unit adds up, `askMap` shows a map in full, and `askFeatures` what drives it;
// where there are none, the map alone is shown as it is in its gallery.
export function makeZoom(element, state, galleries, askAnatomy, askMap, askFeatures) {
  const find = (selector) => element.querySelector(selector);
  const panel = find(".zoom");
  const overview = find(".overview");
  const copyOverview = makeCopy(overview.querySelector("canvas"));
  const anatomy = makeArithmetic(find(".anatomy"));
  const zoom = {};
  const large = makeLargeMap(
    element,
    state,
    ({ layer, map, row, column }) => zoom.open(layer.index, map, { row, column }),
    () => anatomy.unit,
  );
  const isScore = (layer) => layer.index === state.network.scores?.layer;

  const question = ({ layer, map, unit }) => ({
    layer: layer.index,
    map,
    row: unit?.row ?? null,
    column: unit?.column ?? null,
  });
  const isOpen = (asked) =>
    state.open &&
    Object.entries(question(state.open)).every(([name, value]) => asked[name] === value);

  const ask = makeAsker(askAnatomy, (asked, told) => {
    if (!isOpen(asked)) return;
    // A difference is not added up; what is told of it is the present picture's.
    const of = { A: "In A: ", difference: "In B: " }[state.style.shown] ?? "";
    const { layer, unit } = state.open;
    anatomy.show(layer, told, { of, isChosen: unit !== null, isScore: isScore(layer) });
    if (told.error) return;
    const [rows, columns] = layer.size;
    place(find(".one .frame"), told.column / columns, told.row / rows, 1 / columns, 1 / rows);
  });

  const isMap = ({ layer, map }) =>
    state.open !== null && state.open.layer.index === layer && state.open.map === map;

  const askPicture = makeAsker(askMap, async (asked, told) => {
    if (told.error || !isMap(asked)) return;
    const picture = new Image();
    picture.src = told.picture;
    await picture.decode();
    if (isMap(asked)) large.draw(picture);
  });

  let liked = null; // whose pictures are shown: they are of a map and a version, of no picture
  const askFeature = makeAsker(askFeatures, (_, told) => anatomy.like(told.error ? {} : told));
  function like({ layer, map }) {
    const of = `${layer.index} ${map} ${state.answer.shown_version}`;
    if (of === liked) return;
    liked = of;
    askFeature({ layer: layer.index, map, row: null, column: null });
  }

  zoom.opened = () => {
    if (!state.open) return null;
    const { layer, map, unit } = state.open;
    return { layer: layer.index, map, unit };
  };

  zoom.open = (index, map, unit = null) => {
    const layer = state.network?.layers[index];
    const isThere = (at, end) => Number.isInteger(at) && at >= 0 && at < end;
    if (!state.answer || !layer || !isThere(map, layer.count)) return;
    if (unit && !(isThere(unit.row, layer.size[0]) && isThere(unit.column, layer.size[1]))) {
      unit = null;
    }
    const isOther = state.open?.layer !== layer || state.open.map !== map;
    const from = state.open?.from ?? document.activeElement;
    const isFirst = !state.open;
    state.open = { layer, map, unit, from };
    panel.hidden = false;
    if (isOther) {
      anatomy.clear();
      anatomy.like({});
      large.clear();
      find(".one .frame").style.display = "none";
    }
    draw();
    if (isFirst) find(".zoom .close").focus({ preventScroll: true });
  };

  // A class's score, by the number of the class.
  zoom.openScore = (label) => {
    const { scores, layers } = state.network;
    if (scores?.layer === null || !scores) return;
    const columns = layers[scores.layer].size[1];
    zoom.open(scores.layer, 0, { row: Math.floor(label / columns), column: label % columns });
  };

  zoom.showsScore = () => state.open !== null && isScore(state.open.layer);

  zoom.close = () => {
    if (!state.open) return;
    state.open.from?.focus({ preventScroll: true });
    state.open = null;
    liked = null;
    for (const asker of [ask, askPicture, askFeature]) asker(null);
    panel.hidden = true;
  };

  function draw() {
    const { layer, map, unit } = state.open;
    const alone = isScore(layer);
    const [title, readout] = find(".zoom header").querySelectorAll(".name, .readout");
    const label = alone && unit ? unit.row * layer.size[1] + unit.column : null;
    const { labels } = state.network.scores ?? {};
    title.textContent = alone
      ? `Score of ${labels?.[label] ?? label}`
      : `${layer.title} ${layer.name}`;
    readout.textContent = alone ? "before the softmax" : nameOf(layer, map);
    find(".one").hidden = alone;
    find(".one").style.setProperty("--aspect", layer.size[1] / layer.size[0]);
    panel.classList.toggle("alone", alone);
    const gallery = galleries.each().find((one) => one.layer === layer);
    overview.hidden = alone || !hasMaps(layer) || !gallery;
    if (!overview.hidden) {
      overview.style.setProperty("--aspect", layer.width / layer.height);
      copyOverview(gallery.canvas, 0, 0, layer.width, layer.height);
      frameMap(overview, layer, map);
    }
    const isWhole = gallery && isShownWhole(layer, map);
    if (isWhole) large.copy(gallery.canvas, layer, placeOf(layer, map));
    if (!askAnatomy) return;
    ask(question(state.open));
    if (alone) {
      liked = null;
      askFeature(null);
      anatomy.like({});
    } else like(state.open);
    if (alone || isWhole) askPicture(null);
    else askPicture({ layer: layer.index, map, row: null, column: null, style: state.style });
  }

  overview.addEventListener(
    "click",
    (event) => zoom.open(state.open.layer.index, unitAt(state.open.layer, overview, event).map),
  );
  find(".zoom .close").addEventListener("click", zoom.close);
  find(".anatomy").addEventListener("click", ({ target }) => {
    if (target.matches(".follow")) zoom.open(state.open.layer.index, state.open.map);
    if (!target.dataset.at) return;
    const { layer, map, row, column } = JSON.parse(target.dataset.at);
    zoom.open(layer, map, row === undefined ? null : { row, column });
    large.focus(); // what was clicked is gone
  });
  // A unit of a dense layer is all that there is to open of it.
  element.addEventListener(
    "chosen",
    ({ detail: { layer, map, row, column } }) =>
      zoom.open(layer.index, map, layer.units === null ? null : { row, column }),
  );
  element.addEventListener("shown", () => state.open && draw());
  element.addEventListener("described", zoom.close);

  // Returns whether the key was one of the zoom's.
  zoom.press = (key) => {
    if (!state.open || element.querySelector(":popover-open")) return false;
    if (key === "Escape") zoom.close();
    else if (key in STEPS && !hasMaps(state.open.layer)) large.step(key);
    else if (key in STEPS) {
      const { layer, map } = state.open;
      zoom.open(layer.index, neighbourMap(key, layer, map));
    } else return false;
    return true;
  };

  return zoom;
}

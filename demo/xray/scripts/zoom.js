// The panel with one enlarged map over the galleries, and how one of its units adds up: the
// strongest, or a chosen one. It stays open while drawing. It also shows how a class score adds up.

import { makeArithmetic } from "./arithmetic.js";
import { loadImage, makeCopy } from "./dom.js";
import { t } from "./language.js";
import { makeLargeMap } from "./large_map.js";
import { makeRequester } from "./loop.js";
import {
  cornerOf,
  describeMap,
  frameMap,
  hasMaps,
  isShownInFull,
  neighbourMap,
  placeFrame,
  STEPS,
  unitAt,
} from "./maps.js";

// `decompose` requests a unit's arithmetic, `requestMap` a map in full, `requestFeatures` what
// activates it. Without them the panel shows only the map as it is in its gallery.
export function makeZoom(element, state, galleries, decompose, requestMap, requestFeatures) {
  const find = (selector) => element.querySelector(selector);
  const panel = find(".zoom");
  const overview = find(".overview");
  const unitFrame = find(".large-map .frame");
  const copyOverview = makeCopy(overview.querySelector("canvas"));
  const arithmetic = makeArithmetic(find(".arithmetic"));
  const large = makeLargeMap(
    element,
    state,
    ({ layer, map, row, column }) => zoom.open(layer.index, map, { row, column }),
    () => arithmetic.unit,
  );
  const zoom = {};
  const isScore = (layer) => layer.index === state.network.scores?.layer;

  const questionOf = ({ layer, map, unit }) => ({
    layer: layer.index,
    map,
    row: unit?.row ?? null,
    column: unit?.column ?? null,
  });
  const isCurrent = (question) =>
    state.openMap &&
    Object.entries(questionOf(state.openMap)).every(([name, value]) => question[name] === value);
  const isOpen = ({ layer, map }) =>
    state.openMap?.layer.index === layer && state.openMap.map === map;

  const requestArithmetic = makeRequester(decompose, (question, answer) => {
    if (!isCurrent(question)) return;
    // There is no arithmetic of a difference; B's is shown.
    const picture = { A: "A", difference: "B" }[state.style.shown];
    const { layer, unit } = state.openMap;
    arithmetic.show(layer, answer, { picture, isChosen: unit !== null, isScore: isScore(layer) });
    if (answer.error) return;
    const [rows, columns] = layer.size;
    placeFrame(unitFrame, answer.column / columns, answer.row / rows, 1 / columns, 1 / rows);
  });

  const requestFullMap = makeRequester(requestMap, async (question, answer) => {
    if (answer.error || !isOpen(question)) return;
    const image = await loadImage(answer.picture);
    if (isOpen(question)) large.draw(image, 0, 0, image.width, image.height);
  });

  const requestMapFeatures = makeRequester(
    requestFeatures,
    (_, answer) => arithmetic.showFeatures(answer.error ? {} : answer),
  );
  let featuresOf = null; // the map and version whose features are shown; all pictures share them
  function updateFeatures({ layer, map }) {
    const key = `${layer.index} ${map} ${state.answer.shown_version}`;
    if (key === featuresOf) return;
    featuresOf = key;
    requestMapFeatures({ layer: layer.index, map, row: null, column: null });
  }

  zoom.openMap = () => {
    if (!state.openMap) return null;
    const { layer, map, unit } = state.openMap;
    return { layer: layer.index, map, unit };
  };

  zoom.open = (index, map, unit = null) => {
    const layer = state.network?.layers[index];
    const isIndex = (number, end) => Number.isInteger(number) && number >= 0 && number < end;
    if (!state.answer || !layer || !isIndex(map, layer.count)) return;
    const [rows, columns] = layer.size;
    if (unit && !(isIndex(unit.row, rows) && isIndex(unit.column, columns))) unit = null;
    const previous = state.openMap;
    const openedFrom = previous?.openedFrom ?? document.activeElement;
    state.openMap = { layer, map, unit, openedFrom };
    panel.hidden = false;
    if (previous?.layer !== layer || previous.map !== map) {
      arithmetic.clear();
      arithmetic.showFeatures({});
      large.clear();
      unitFrame.style.display = "none";
    }
    draw();
    if (!previous) find(".zoom .close").focus({ preventScroll: true });
  };

  // Opens the score of a class.
  zoom.openScore = (label) => {
    const { scores, layers } = state.network;
    if (scores?.layer === null || !scores) return;
    const columns = layers[scores.layer].size[1];
    zoom.open(scores.layer, 0, { row: Math.floor(label / columns), column: label % columns });
  };

  zoom.showsScore = () => state.openMap !== null && isScore(state.openMap.layer);

  zoom.close = () => {
    if (!state.openMap) return;
    state.openMap.openedFrom?.focus({ preventScroll: true });
    state.openMap = null;
    featuresOf = null;
    for (const request of [requestArithmetic, requestFullMap, requestMapFeatures]) request(null);
    panel.hidden = true;
  };

  function draw() {
    const { layer, map, unit } = state.openMap;
    const isScoreOnly = isScore(layer);
    const [title, readout] = find(".zoom header").querySelectorAll(".name, .readout");
    const label = isScoreOnly && unit ? unit.row * layer.size[1] + unit.column : null;
    const { labels } = state.network.scores ?? {};
    title.textContent = isScoreOnly
      ? t("Score of {label}", { label: labels?.[label] ?? String(label) })
      : `${t(layer.title)} ${layer.name}`;
    readout.textContent = isScoreOnly ? t("before the softmax") : describeMap(layer, map);
    find(".large-map").hidden = isScoreOnly;
    find(".large-map").style.setProperty("--aspect", layer.size[1] / layer.size[0]);
    panel.classList.toggle("score-only", isScoreOnly);
    const gallery = galleries.all().find((gallery) => gallery.layer === layer);
    overview.hidden = isScoreOnly || !hasMaps(layer) || !gallery;
    if (!overview.hidden) {
      overview.style.setProperty("--aspect", layer.width / layer.height);
      copyOverview(gallery.canvas, 0, 0, layer.width, layer.height);
      frameMap(overview, layer, map);
    }
    const isInGallery = gallery && isShownInFull(layer, map);
    if (isInGallery) {
      const { x, y } = cornerOf(layer, map);
      large.draw(gallery.canvas, x, y, layer.mapWidth, layer.mapHeight);
    }
    if (!decompose) return;
    requestArithmetic(questionOf(state.openMap));
    if (isScoreOnly) {
      featuresOf = null;
      requestMapFeatures(null);
      arithmetic.showFeatures({});
    } else updateFeatures(state.openMap);
    if (isScoreOnly || isInGallery) requestFullMap(null);
    else requestFullMap({ layer: layer.index, map, row: null, column: null, style: state.style });
  }

  overview.addEventListener("click", (event) => {
    const { layer } = state.openMap;
    zoom.open(layer.index, unitAt(layer, overview, event).map);
  });
  find(".zoom .close").addEventListener("click", zoom.close);
  find(".arithmetic").addEventListener("click", ({ target }) => {
    if (target.matches(".follow")) zoom.open(state.openMap.layer.index, state.openMap.map);
    if (!target.dataset.unit) return;
    const { layer, map, row, column } = JSON.parse(target.dataset.unit);
    zoom.open(layer, map, row === undefined ? null : { row, column });
    large.focus(); // the clicked button no longer exists
  });
  // A dense layer has no maps: there the unit itself is opened.
  element.addEventListener(
    "unit-selected",
    ({ detail: { layer, map, row, column } }) =>
      zoom.open(layer.index, map, layer.units === null ? null : { row, column }),
  );
  element.addEventListener("answer-shown", () => state.openMap && draw());
  element.addEventListener("network-loaded", zoom.close);

  // Handles a key; returns whether it did.
  zoom.press = (key) => {
    if (!state.openMap || element.querySelector(":popover-open")) return false;
    if (key === "Escape") zoom.close();
    else if (key in STEPS && !hasMaps(state.openMap.layer)) large.step(key);
    else if (key in STEPS) {
      const { layer, map } = state.openMap;
      zoom.open(layer.index, neighbourMap(key, layer, map));
    } else return false;
    return true;
  };

  return zoom;
}

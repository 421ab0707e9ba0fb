// One map, large, over the galleries: it stays while the pen goes on, with the arithmetic of one of
// its units, the strongest unless another is chosen. The ten scores open here as well.

import { LOGITS, makeAnatomy } from "./anatomy.js";
import { makeCopy } from "./galleries.js";
import { makeLarge } from "./large.js";
import { makeAsker } from "./loop.js";
import { frameMap, nameOf, neighbourMap, place, STEPS, unitAt } from "./maps.js";

// `askAnatomy` tells how a unit adds up and `askLikes` what drives a map; where there are none, the
// map alone is shown.
export function makeZoom(element, state, layers, askAnatomy, askLikes) {
  const find = (selector) => element.querySelector(selector);
  const panel = find(".zoom");
  const overview = find(".overview");
  const copyOverview = makeCopy(overview.querySelector("canvas"));
  const anatomy = makeAnatomy(find(".anatomy"));
  const zoom = {};
  const large = makeLarge(
    element,
    state,
    ({ layer, map, row, column }) => zoom.open(layer.name, map, { row, column }),
    () => anatomy.unit,
  );

  const question = ({ layer, map, unit }) => ({
    layer: layer.name,
    map,
    row: unit?.row ?? null,
    column: unit?.column ?? null,
  });
  const isOpen = (asked) =>
    state.open &&
    Object.entries(question(state.open)).every(([name, value]) => asked[name] === value);

  const ask = makeAsker(askAnatomy, (asked, told) => {
    if (!isOpen(asked)) return;
    // A difference is not added up; what is told of it is the present drawing's.
    const of = { A: "In A: ", difference: "In B: " }[state.style.shown] ?? "";
    anatomy.show(state.open.layer, told, of, state.open.unit !== null);
    if (told.error) return;
    const { side } = state.open.layer;
    place(find(".one .frame"), told.column / side, told.row / side, 1 / side, 1 / side);
  });

  let liked = null; // whose pictures are shown: they are of a map and a version, of no drawing
  const askLike = makeAsker(askLikes, (_, told) => anatomy.like(told.error ? {} : told));
  function like({ layer, map }) {
    const of = `${layer.name} ${map} ${state.answer.shown_version}`;
    if (of === liked) return;
    liked = of;
    if (layer !== LOGITS) return askLike({ layer: layer.name, map });
    askLike(null);
    anatomy.like({});
  }

  zoom.opened = () => {
    if (!state.open) return null;
    const { layer, map, unit } = state.open;
    return { layer: layer.name, map, unit };
  };

  zoom.open = (name, map, unit = null) => {
    const layer = [...layers, LOGITS].find((layer) => layer.name === name);
    const isThere = (at, end) => Number.isInteger(at) && at >= 0 && at < end;
    if (!state.answer || !layer || !isThere(map, layer.maps)) return;
    if (unit && !(isThere(unit.row, layer.side) && isThere(unit.column, layer.side))) unit = null;
    const isOther = state.open?.layer !== layer || state.open.map !== map;
    const from = state.open?.from ?? document.activeElement;
    const isFirst = !state.open;
    state.open = { layer, map, unit, from };
    panel.hidden = false;
    if (isOther) anatomy.clear();
    draw();
    if (isFirst) find(".zoom .close").focus({ preventScroll: true });
  };

  zoom.close = () => {
    if (!state.open) return;
    state.open.from?.focus({ preventScroll: true });
    state.open = null;
    liked = null;
    ask(null);
    askLike(null);
    panel.hidden = true;
  };

  function draw() {
    const { layer, map } = state.open;
    const hasPicture = layer !== LOGITS;
    find(".zoom .name").textContent = hasPicture
      ? `${layer.title} ${layer.name}`
      : `${layer.title} of ${map}`;
    find(".zoom .readout").textContent = hasPicture
      ? nameOf(layer, map)
      : "logit, before the softmax";
    find(".one").hidden = !hasPicture;
    panel.classList.toggle("alone", !hasPicture);
    overview.hidden = layer.maps === 1 || !hasPicture;
    if (hasPicture) {
      overview.style.setProperty("--aspect", layer.width / layer.height);
      copyOverview(state.sheet, 0, layer.top, layer.width, layer.height);
      frameMap(overview, layer, map);
      large.draw(state.open);
    }
    if (!askAnatomy) return;
    ask(question(state.open));
    like(state.open);
  }

  overview.addEventListener(
    "click",
    (event) => zoom.open(state.open.layer.name, unitAt(state.open.layer, overview, event).map),
  );
  find(".zoom .close").addEventListener("click", zoom.close);
  find(".anatomy").addEventListener("click", ({ target }) => {
    if (target.matches(".follow")) zoom.open(state.open.layer.name, state.open.map);
    if (!target.dataset.at) return;
    const { layer, map, row, column } = JSON.parse(target.dataset.at);
    zoom.open(layer, map, row === undefined ? null : { row, column });
    large.focus(); // what was clicked is gone
  });
  // A unit of the dense layer is all that there is to open of it.
  element.addEventListener(
    "chosen",
    ({ detail: { layer, map, row, column } }) =>
      zoom.open(layer.name, map, layer.field ? null : { row, column }),
  );
  element.addEventListener("shown", () => state.open && draw());

  // Returns whether the key was one of the zoom's.
  zoom.press = (key) => {
    if (!state.open || element.querySelector(":popover-open")) return false;
    if (key === "Escape") zoom.close();
    else if (key in STEPS && state.open.layer.maps === 1) large.step(key);
    else if (key in STEPS) {
      zoom.open(state.open.layer.name, neighbourMap(key, state.open.layer, state.open.map));
    } else return false;
    return true;
  };

  return zoom;
}

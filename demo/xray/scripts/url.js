// The view in the page's address: model, drawing, version and the open map, to be found again.

import { readLink, writeLink } from "./permalink.js";

export function makeUrl(element, state, { pad, history, zoom, network }) {
  let isRestoring = false;
  let toOpen = null; // the map of a link whose drawing has not been shown yet
  const replace = (address) => window.history.replaceState(null, "", address);
  const address = {};

  // Puts the view into the address and returns that.
  address.link = () => {
    const { layer, map, unit } = zoom.opened() ?? {};
    const { models, input } = state.network;
    const link = writeLink({
      model: models.length > 1 || input.kind === "picture" ? state.model : null,
      strokes: input.kind === "drawing" ? pad.strokes() : null,
      version: history.shown(),
      layer,
      map,
      unit,
    });
    replace(link);
    return link;
  };

  // The model that the address names; null for the first.
  address.model = () => readLink(location.hash)?.model ?? null;
  address.isGiven = () => readLink(location.hash) !== null;

  // Shows the view that the address holds; returns whether it holds one.
  address.restore = () => {
    const view = readLink(location.hash);
    if (!view || (view.model && view.model !== state.model)) return false;
    history.set(view.version);
    zoom.close();
    toOpen = view.layer !== null && view;
    isRestoring = true;
    if (view.strokes) {
      pad.fit(state.network.input.side);
      pad.set(view.strokes);
    }
    isRestoring = false;
    return true;
  };

  // The picture is no longer the one that the address holds.
  address.drawn = () => {
    const isStale = !isRestoring && location.hash && state.network.input.kind === "drawing";
    if (isStale) replace(location.href.split("#")[0]);
  };

  element.addEventListener("shown", () => {
    if (!toOpen) return;
    const { layer, map, unit } = toOpen;
    toOpen = null;
    const found = state.network.layers.find(({ index, name }) =>
      String(index) === layer || name === layer
    );
    if (found) zoom.open(found.index, map, unit);
  });
  addEventListener("hashchange", () => {
    const model = address.model();
    if (model && model !== state.model) network.load(model);
    else if (state.network) address.restore();
  });
  return address;
}

// Keeps the view in the address bar as a permalink, and restores it from there.

import { readLink, writeLink } from "./permalink.js";

export function makeAddressBar(element, state, { pad, history, zoom, network }) {
  let isRestoring = false;
  let mapToOpen = null; // the map of a link whose drawing has not been predicted yet
  const replace = (url) => window.history.replaceState(null, "", url);
  const addressBar = {};

  // Writes the view into the address bar and returns the link.
  addressBar.update = () => {
    const { layer, map, unit } = zoom.openMap() ?? {};
    const { models, input } = state.network;
    const link = writeLink({
      model: models.length > 1 || input.kind === "picture" ? state.model : null,
      strokes: input.kind === "drawing" ? pad.strokes() : null,
      version: history.shownVersion(),
      layer,
      map,
      unit,
    });
    replace(link);
    return link;
  };

  // The model that the link names; null for the first.
  addressBar.model = () => readLink(location.hash)?.model ?? null;
  addressBar.hasLink = () => readLink(location.hash) !== null;

  // Shows the view of the link; returns whether there is one.
  addressBar.restore = () => {
    const view = readLink(location.hash);
    if (!view || (view.model && view.model !== state.model)) return false;
    history.request(view.version);
    zoom.close();
    mapToOpen = view.layer === null ? null : view;
    isRestoring = true;
    if (view.strokes) {
      pad.fit(state.network.input.side);
      pad.set(view.strokes);
    }
    isRestoring = false;
    return true;
  };

  // Removes a link to another drawing than the current one.
  addressBar.clearOutdated = () => {
    const isOutdated = !isRestoring && location.hash && state.network.input.kind === "drawing";
    if (isOutdated) replace(location.href.split("#")[0]);
  };

  element.addEventListener("answer-shown", () => {
    if (!mapToOpen) return;
    const { layer, map, unit } = mapToOpen;
    mapToOpen = null;
    const found = state.network.layers.find(({ index, name }) =>
      String(index) === layer || name === layer
    );
    if (found) zoom.open(found.index, map, unit);
  });
  addEventListener("hashchange", () => {
    const model = addressBar.model();
    if (model && model !== state.model) network.load(model);
    else if (state.network) addressBar.restore();
  });
  return addressBar;
}

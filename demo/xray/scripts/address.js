// The view in the page's address: the drawing, the version and the open map, to be found again.

import { readLink, writeLink } from "./link.js";

export function makeAddress(element, pad, history, zoom) {
  let isRestoring = false;
  let toOpen = null; // the map of a link whose drawing has not been shown yet
  const replace = (address) => window.history.replaceState(null, "", address);
  const address = {};

  // Puts the view into the address and returns that.
  address.link = () => {
    const { layer, map, unit } = zoom.opened() ?? {};
    const link = writeLink({
      strokes: pad.strokes(),
      version: history.shown(),
      layer,
      map,
      unit,
    });
    replace(link);
    return link;
  };

  // Shows the view that the address holds; returns whether it holds one.
  address.restore = () => {
    const view = readLink(location.hash);
    if (!view) return false;
    history.set(view.version);
    zoom.close();
    toOpen = view.layer && view;
    isRestoring = true;
    pad.set(view.strokes);
    isRestoring = false;
    return true;
  };

  // The drawing is no longer the one that the address holds.
  address.drawn = () => {
    if (!isRestoring && location.hash) replace(location.href.split("#")[0]);
  };

  element.addEventListener("shown", () => {
    if (!toOpen) return;
    zoom.open(toOpen.layer, toOpen.map, toOpen.unit);
    toOpen = null;
  });
  addEventListener("hashchange", address.restore);
  return address;
}

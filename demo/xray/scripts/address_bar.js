// Keeps the view in the address bar as a permalink, and restores it from there.

import { language, linkedLanguage } from "./language.js";
import { readLink, writeLink } from "./permalink.js";

// `changed` predicts the picture by the version of a link that was opened in this page.
export function makeAddressBar(element, state, parts, changed) {
  const { pad, history, zoom, network, challenge, explanation } = parts;
  let isRestoring = false;
  let mapToOpen = null; // the map of a link whose drawing has not been predicted yet
  const replace = (url) => window.history.replaceState(null, "", url);
  const addressBar = {};

  // A link to the view, and to the page in a language if one is given.
  addressBar.link = (code) => {
    const { layer, map, unit } = zoom.openMap() ?? {};
    const { models, input } = state.network;
    return writeLink({
      model: models.length > 1 || input.kind === "picture" ? state.model : null,
      strokes: input.kind === "drawing" ? pad.strokes() : null,
      version: history.shownVersion(),
      layer,
      map,
      unit,
      challenge: challenge.name(),
      follow: history.isFollowing(),
      language: code,
    });
  };

  // Writes the view into the address bar. The language of a link stays, unless another is given, or
  // null for none.
  addressBar.update = (code = linkedLanguage()) => {
    if (state.network) return replace(addressBar.link(code));
    const view = new URLSearchParams(location.hash.slice(1));
    view.delete("language");
    if (code) view.set("language", code);
    replace(`${location.pathname}${location.search}#${view}`);
  };

  // The model that the link names; null for the first.
  addressBar.model = () => readLink(location.hash)?.model ?? null;
  addressBar.hasLink = () => readLink(location.hash) !== null;

  // Shows the view of the link and returns it; null if there is none.
  addressBar.restore = () => {
    const view = readLink(location.hash);
    if (!view || (view.model && view.model !== state.model)) return null;
    isRestoring = true;
    history.request(view.version);
    zoom.close();
    explanation.close();
    mapToOpen = view.layer === null ? null : view;
    const strokes = view.strokes ?? (view.challenge ? [] : null); // a challenge begins without ink
    if (strokes && state.network.input.kind === "drawing") {
      pad.fit(state.network.input.side);
      pad.set(strokes);
    }
    if (view.challenge) challenge.open(view.challenge);
    else challenge.close();
    if (view.follow) history.follow();
    isRestoring = false;
    return view;
  };

  // Reduces a link to what is still true after the drawing has changed. A challenge keeps its
  // version, which is the opponent.
  addressBar.clearOutdated = () => {
    const isOutdated = !isRestoring && location.hash && state.network.input.kind === "drawing";
    if (!isOutdated) return;
    const view = new URLSearchParams();
    if (challenge.name()) {
      view.set("challenge", challenge.name());
      if (state.version !== null) view.set("version", state.version);
    }
    if (history.isFollowing()) view.set("follow", 1);
    if (linkedLanguage()) view.set("language", linkedLanguage());
    const url = new URL(location.href);
    url.hash = view;
    replace(url);
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
  element.addEventListener("view-closed", addressBar.clearOutdated);
  addEventListener("hashchange", () => {
    if ((linkedLanguage() ?? language) !== language) return location.reload();
    const model = addressBar.model();
    if (model && model !== state.model) network.load(model);
    else if (state.network && addressBar.restore()) changed();
  });
  return addressBar;
}

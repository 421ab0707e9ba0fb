// The requests about the visitor's picture. The page server caches the activations of the last
// prediction; when they have expired there, the picture is predicted again.

import { wait } from "./wait.js";

const REPREDICT_MS = 2000; // timeout for predicting an expired picture again
const EXPIRED = { error: "The server no longer has this drawing. Draw again." };

// `getPicture` returns {content, version}, `getLayers` the indices of the layers in view.
export function makeRequests(element, state, server, getPicture, getLayers) {
  const send = (name, { content, version }, fields = {}) =>
    server.request(name, { model: state.model, version, ...fields }, content);
  const isSame = (a, b) =>
    a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
  const isCached = ({ content, version }) =>
    state.cached?.version === version && isSame(state.cached.content, content);

  let predictions = 0;
  const requests = { repredict: () => {} }; // set by live.js

  // Predicts the newest picture; one that is already cached is only painted again. The answer has
  // that picture as `picture`.
  requests.predict = async () => {
    const { style } = state;
    const picture = await getPicture();
    const display = { style, layers: getLayers() };
    if (isCached(picture)) {
      const answer = await server.request("repaint", { model: state.model, ...display });
      if (answer.sheet) return { ...answer, picture };
    }
    const prediction = ++predictions;
    state.cached = null;
    let answer = await send("predict", picture, display);
    if (answer.reference_expired && state.reference) {
      const kept = await send("keep", state.reference, { layers: display.layers });
      if (kept.error) return kept;
      answer = await send("predict", picture, display);
    }
    if (answer.reference_expired) return EXPIRED;
    if (answer.sheet && prediction === predictions) state.cached = picture;
    return { ...answer, picture };
  };

  requests.keep = (picture) => send("keep", picture, { layers: getLayers() });
  requests.explain = async (label) => send("explain", await getPicture(), { label });
  requests.download = async (what, version) => {
    const page = location.href.split(/[?#]/)[0];
    return send("download", { ...await getPicture(), version }, { what, page });
  };

  // A detail of the last prediction: of a unit or a map.
  requests.detail = async (name, fields) => {
    const { model, style } = state;
    const request = () => server.request(name, { model, shown: style.shown, ...fields });
    const answer = await request();
    if (!answer.expired) return answer;
    state.cached = null;
    const isShown = new Promise((done) =>
      element.addEventListener("answer-shown", done, { once: true })
    );
    requests.repredict();
    if (!(await Promise.race([isShown, wait(REPREDICT_MS)]))) return EXPIRED;
    const secondAnswer = await request();
    return secondAnswer.expired ? EXPIRED : secondAnswer;
  };

  return requests;
}

// The live component: creates its modules and connects them.

import { makeAddressBar } from "./address_bar.js";
import { makeChallenge } from "./challenge.js";
import { makeColourSettings } from "./colour_settings.js";
import { makeCompare } from "./compare.js";
import { emit } from "./dom.js";
import { copy, drawGalleries, makeDownloads, save } from "./download.js";
import { makeDrawingTools } from "./drawing_tools.js";
import { makeExplanation } from "./explanation.js";
import { makeGalleries } from "./galleries.js";
import { makeHistory } from "./history.js";
import { listenToKeys } from "./keys.js";
import { errorText, language, t } from "./language.js";
import { makeLanguageChoice } from "./language_choice.js";
import { makeLens } from "./lens.js";
import { makeLoop } from "./loop.js";
import { makeNetwork } from "./network.js";
import { makePad } from "./pad.js";
import { makePicture } from "./picture.js";
import { makeRequests } from "./requests.js";
import { makeScores } from "./scores.js";
import { fromBase64, makeServer } from "./server.js";
import { setText } from "./text.js";
import { hasSeenTour, makeTour } from "./tour.js";
import { makeZoom } from "./zoom.js";

export function startLive({ xray, props, gradio, state, notice }) {
  const find = (selector) => xray.querySelector(selector);
  const hint = find(".hint");

  const server = makeServer(props.live, gradio);
  const network = makeNetwork(xray, state, server, notice.show);
  const isDrawing = () => state.network.input.kind === "drawing";
  const currentPicture = async () => {
    const content = await (isDrawing() ? pad.content() : picture.content());
    return { content, version: state.version };
  };
  const galleries = makeGalleries(xray, state, () => update());
  const requests = makeRequests(xray, state, server, currentPicture, galleries.requestedLayers);
  const requestPrediction = makeLoop({
    send: requests.predict,
    maxInFlight: () => server.maxInFlight,
    show: (answer, askedAt) => {
      // Another version may have other layers.
      if (answer.network !== state.network.identity) {
        return network.load(state.model, answer.version);
      }
      notice.clear();
      history.update(answer, answer.picture.version);
      return galleries.show(answer, askedAt);
    },
    showError: notice.show,
  });
  const update = () => state.network && requestPrediction();
  requests.repredict = update;

  const pad = makePad(find(".pad"), () => {
    if (hint.hidden === pad.isSample) hint.hidden = !pad.isSample;
    pictureChanged();
  });
  const picture = makePicture(xray, pictureChanged);
  function pictureChanged() {
    emit(xray, "picture-changed");
    update();
    addressBar.clearOutdated();
  }
  const requestHistory = () => server.request("history", { model: state.model });
  const versionChanged = () => {
    state.cached = null; // the newest version may have changed
    update();
  };
  const history = makeHistory(xray, state, requestHistory, versionChanged);
  makeColourSettings(xray, state, galleries.maxima, update);
  const scores = makeScores(xray, state, (label) => {
    if (zoom.showsScore()) zoom.openScore(label);
    explanation.choose(label);
  });
  const compare = makeCompare(xray, state, scores, requests.keep, notice.show, update);
  makeLens(xray, state, galleries, (unit) => requests.detail("inspect_unit", unit));
  const zoom = makeZoom(
    xray,
    state,
    galleries,
    (unit) => requests.detail("decompose_unit", unit),
    (map) => requests.detail("show_map", map),
    (map) => requests.detail("map_features", map),
  );
  const getCanvas = () => (isDrawing() ? find(".pad") : picture.canvas);
  const explanation = makeExplanation(xray, state, scores, getCanvas, requests.explain);
  const tour = makeTour(xray, props.tour);
  const challenge = makeChallenge(xray, state, pad, (label) => {
    if (label === null) explanation.toggle();
    else explanation.choose(label);
  });
  const addressBar = makeAddressBar(
    xray,
    state,
    { pad, history, zoom, network, challenge, explanation },
    versionChanged,
  );
  const toolActions = makeDrawingTools(xray, pad);

  xray.addEventListener("answer-shown", ({ detail }) => scores.show(detail.answer));
  xray.addEventListener("network-loaded", ({ detail }) => {
    galleries.build(detail);
    scores.build(detail);
    history.request(null);
    find(".downloads").hidden = detail.downloads.length === 0;
    find(".show-sum").hidden = (detail.scores?.layer ?? null) === null;
    const view = addressBar.restore();
    if (!isDrawing() || view?.strokes || view?.challenge) return;
    pad.fit(detail.input.side);
    pad.set(detail.samples[3]?.strokes ?? pad.strokes(), true);
  });

  async function download(what) {
    const answer = await requests.download(what, history.shownVersion());
    if (answer.isLoggedOut) notice.show(answer);
    if (answer.error) throw new Error(errorText(answer));
    return answer.content;
  }

  const copyText = find(".copy-text");
  const copyLink = (language) => {
    addressBar.update();
    return copy(addressBar.link(language), copyText);
  };
  makeDownloads(find(".downloads"), {
    link: () => copyLink(),
    "link-in-language": () => copyLink(language),
    picture: async () => {
      save(await drawGalleries(xray, state, galleries), "layer-xray.png");
      return t("Saved");
    },
    npz: async () => {
      save(new Blob([fromBase64(await download("npz"))]), "layer-xray.npz");
      return t("Saved");
    },
    curl: async () => copy(await download("curl"), copyText),
    python: async () => copy(await download("python"), copyText),
    grpc: async () => copy(await download("grpc"), copyText),
  });

  const actions = {
    w: explanation.toggle,
    f: history.play,
    ",": () => history.step(-1),
    ".": () => history.step(1),
  };
  listenToKeys(
    xray,
    zoom,
    (key) => (state.network && isDrawing() ? toolActions[key] : undefined) ?? actions[key],
  );

  find(".keep").addEventListener("click", async () => {
    compare.keep({ ...(await currentPicture()), layers: galleries.requestedLayers() });
  });
  find(".show-sum").addEventListener("click", () => {
    zoom.openScore(state.explanation.label ?? state.answer?.best?.index ?? 0);
  });
  find(".log-in").addEventListener("click", () => {
    addressBar.update();
    location.reload();
  });

  // Screen readers announce a prediction when the pen is up, not each one on the way.
  function announce() {
    if (pad.isDown() || picture.isLive()) return;
    const { best = null, sure } = state.answer ?? {};
    const prediction = sure ? "Prediction: {label}." : "Not sure, perhaps {label}.";
    setText(find(".announcement"), best === null ? "" : t(prediction, { label: best.label }));
  }
  find(".pad").addEventListener("pointerup", announce);
  xray.addEventListener("answer-shown", announce);

  makeLanguageChoice(xray, addressBar);

  network.load(addressBar.model()).then(() => {
    if (!addressBar.hasLink() && isDrawing() && !hasSeenTour()) tour.start();
  });
}

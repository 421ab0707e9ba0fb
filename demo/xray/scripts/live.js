// The live component: what the visitor does, and where that leads.

import { makeUrl } from "./url.js";
import { makeColourSettings } from "./colour_settings.js";
import { makeCompare } from "./compare.js";
import { makeGalleries } from "./galleries.js";
import { makeHistory } from "./history.js";
import { listenToKeys } from "./keys.js";
import { makeLens } from "./lens.js";
import { makeRequests } from "./requests.js";
import { makeLoop } from "./loop.js";
import { makeNetwork } from "./network.js";
import { makePad } from "./pad.js";
import { makePicture } from "./picture.js";
import { makeScores } from "./scores.js";
import { makeServer } from "./server.js";
import { copy, drawPicture, makeDownloads, save } from "./download.js";
import { setText } from "./text.js";
import { makeDrawingTools } from "./drawing_tools.js";
import { makeTour, remembered } from "./tour.js";
import { makeWhy } from "./why.js";
import { makeZoom } from "./zoom.js";

export function startLive({ xray, props, gradio, state, notice }) {
  const find = (selector) => xray.querySelector(selector);
  const hint = find(".hint");

  const server = makeServer(props.live, gradio);
  const network = makeNetwork(xray, state, server, notice.tell);
  const isDrawing = () => state.network.input.kind === "drawing";
  const seen = async () => {
    const content = await (isDrawing() ? pad.content() : picture.content());
    return { content, version: state.version };
  };
  const galleries = makeGalleries(xray, state, () => changed());
  const requests = makeRequests(xray, state, server, seen, galleries.layers);
  const ask = makeLoop({
    ask: requests.ask,
    mostUnderWay: () => server.mostUnderWay,
    show: (answer, askedAt) => {
      // Another version may have other layers.
      if (answer.network !== state.network.identity) {
        return network.load(state.model, answer.version);
      }
      notice.clear();
      history.follow(answer, answer.asked);
      return galleries.show(answer, askedAt);
    },
    complain: notice.tell,
  });
  const changed = () => state.network && ask();
  requests.again = changed;

  const pad = makePad(find(".pad"), () => {
    if (hint.hidden === pad.isSample) hint.hidden = !pad.isSample;
    drawn();
  });
  const picture = makePicture(xray, drawn);
  function drawn() {
    xray.dispatchEvent(new CustomEvent("drawn", { detail: {}, bubbles: true }));
    changed();
    address.drawn();
  }
  const history = makeHistory(find(".history"), state, () => {
    state.cached = null; // the newest may be another by now
    changed();
  });
  makeColourSettings(xray, state, galleries.largest, changed);
  const scores = makeScores(xray, state, (label) => {
    // Open arithmetic of one score gives way to another's.
    if (zoom.showsScore()) zoom.openScore(label);
    why.choose(label);
  });
  const compare = makeCompare(xray, state, scores, requests.keep, notice.tell, changed);
  makeLens(xray, state, galleries, (unit) => requests.detail("inspect_unit", unit));
  const zoom = makeZoom(
    xray,
    state,
    galleries,
    (unit) => requests.detail("decompose_unit", unit),
    (map) => requests.detail("show_map", map),
    (map) => requests.detail("map_features", map),
  );
  const canvas = () => (isDrawing() ? find(".pad") : picture.canvas);
  const why = makeWhy(xray, state, scores, canvas, requests.why);
  const tour = makeTour(xray, props.tour);
  const address = makeUrl(xray, state, { pad, history, zoom, network });
  const tools = makeDrawingTools(xray, pad);

  xray.addEventListener("shown", ({ detail }) => scores.show(detail.answer));
  xray.addEventListener("described", ({ detail }) => {
    galleries.build(detail);
    scores.build(detail);
    history.set(null);
    find(".take").hidden = detail.downloads.length === 0;
    find(".add-up").hidden = (detail.scores?.layer ?? null) === null;
    if (address.restore() || !isDrawing()) return;
    pad.fit(detail.input.side);
    pad.set(detail.samples[3]?.strokes ?? pad.strokes(), true); // a first visit finds it firing
  });

  async function take(what) {
    const told = await requests.take(what, history.shown());
    if (told.isLoggedOut) notice.tell(told);
    if (told.error) throw new Error(told.error);
    return told.content;
  }

  makeDownloads(find(".take"), {
    link: () => copy(address.link(), find(".copied")),
    picture: async () => {
      save(await drawPicture(xray, state, galleries), "layer-xray.png");
      return "Saved";
    },
    npz: async () => {
      const bytes = Uint8Array.from(atob(await take("npz")), (byte) => byte.charCodeAt(0));
      save(new Blob([bytes]), "layer-xray.npz");
      return "Saved";
    },
    curl: async () => copy(await take("curl"), find(".copied")),
    python: async () => copy(await take("python"), find(".copied")),
    grpc: async () => copy(await take("grpc"), find(".copied")),
  });

  listenToKeys(
    xray,
    zoom,
    (key) =>
      (state.network && isDrawing() ? tools[key] : undefined) ?? {
        w: why.toggle,
        f: history.play,
        ",": () => history.step(-1),
        ".": () => history.step(1),
      }[key],
  );

  find(".keep").addEventListener("click", async () => {
    compare.keep({ ...(await seen()), layers: galleries.layers() });
  });
  find(".add-up").addEventListener("click", () => {
    zoom.openScore(state.why.label ?? state.answer?.best?.index ?? 0);
  });
  find(".log-in").addEventListener("click", () => {
    address.link();
    location.reload();
  });

  // Screen readers hear what is read once the pen is up, not all that it was on the way.
  function announce() {
    const { best = null, sure } = state.answer ?? {};
    const reading = sure ? `Read as ${best?.label}.` : `Not sure; perhaps a ${best?.label}.`;
    if (!pad.isDown() && !picture.isLive()) {
      setText(find(".announcement"), best === null ? "" : reading);
    }
  }
  find(".pad").addEventListener("pointerup", announce);
  xray.addEventListener("shown", announce);

  network.load(address.model()).then(() => {
    if (!address.isGiven() && isDrawing() && !remembered()) tour.start();
  });
}

// The component with a pad: what the visitor does, and where that leads.

import { makeAddress } from "./address.js";
import { makeColours } from "./colours.js";
import { makeCompare } from "./compare.js";
import { makeHistory } from "./history.js";
import { listenToKeys } from "./keys.js";
import { makeLens } from "./lens.js";
import { makeLook } from "./look.js";
import { makeLoop } from "./loop.js";
import { makePad } from "./pad.js";
import { makeServer } from "./server.js";
import { copy, drawPicture, makeTake, save } from "./take.js";
import { setText } from "./text.js";
import { makeTools } from "./tools.js";
import { makeTour, remembered } from "./tour.js";
import { makeWhy } from "./why.js";
import { makeZoom } from "./zoom.js";

export function startPad({ xray, props, gradio, state, galleries, scores, notice }) {
  const find = (selector) => xray.querySelector(selector);
  const hint = find(".hint");

  const server = makeServer(props.live, gradio);
  const drawing = () => ({ pixels: pad.pixels(), version: state.version });
  const look = makeLook(xray, state, server, drawing);
  const changed = makeLoop({
    ask: look.ask,
    mostUnderWay: () => server.mostUnderWay,
    show: (answer, askedAt) => {
      notice.clear();
      history.follow(answer, answer.asked);
      return galleries.show(answer, askedAt);
    },
    complain: notice.tell,
  });
  look.again = changed;

  const pad = makePad(find(".pad"), props.side, () => {
    if (hint.hidden === pad.isSample) hint.hidden = !pad.isSample;
    xray.dispatchEvent(new CustomEvent("drawn", { detail: {}, bubbles: true }));
    changed();
    address.drawn();
  });
  const history = makeHistory(find(".history"), state, () => {
    state.kept = null; // the newest may be another by now
    changed();
  });
  makeColours(xray, state, changed);
  const compare = makeCompare(xray, state, scores, look.keep, notice.tell, changed);
  makeLens(xray, props.layers, props.image, (unit) => look.detail("tell_unit", unit));
  const zoom = makeZoom(
    xray,
    state,
    props.layers,
    (unit) => look.detail("take_apart", unit),
    (map) => look.detail("tell_likes", map),
  );
  const why = makeWhy(xray, state, find(".pad"), look.why);
  const tour = makeTour(xray, props.tour);
  const address = makeAddress(xray, pad, history, zoom);

  async function take(what) {
    const told = await look.take(what, history.shown());
    if (told.isLoggedOut) notice.tell(told);
    if (told.error) throw new Error(told.error);
    return told.taken;
  }

  makeTake(find(".take"), {
    link: () => copy(address.link(), find(".copied")),
    picture: async () => {
      save(await drawPicture(xray, state, galleries, props.layers), "layer-xray.png");
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

  listenToKeys(xray, zoom, {
    ...makeTools(xray, pad, props.samples),
    w: why.toggle,
    f: history.play,
    ",": () => history.step(-1),
    ".": () => history.step(1),
  });

  find(".keep").addEventListener("click", () => compare.keep(drawing()));
  find(".add-up").addEventListener("click", () => {
    zoom.open("logits", state.why.digit ?? state.answer?.digit ?? 0);
  });
  // Open arithmetic of one score gives way to another's.
  xray.querySelectorAll(".score").forEach((score, digit) => {
    score.addEventListener("click", () => {
      if (zoom.opened()?.layer === "logits") zoom.open("logits", digit);
    });
  });
  find(".log-in").addEventListener("click", () => {
    address.link();
    location.reload();
  });

  // Screen readers hear what is read once the pen is up, not all that it was on the way.
  function announce() {
    const { digit = null, sure } = state.answer ?? {};
    const reading = sure ? `Read as ${digit}.` : `Not sure; perhaps a ${digit}.`;
    if (!pad.isDown()) setText(find(".announcement"), digit === null ? "" : reading);
  }
  find(".pad").addEventListener("pointerup", announce);
  xray.addEventListener("shown", announce);

  pad.fit();
  if (address.restore()) return;
  pad.set(props.samples[3], true); // a first visit finds a digit already firing
  if (!remembered()) tour.start();
}

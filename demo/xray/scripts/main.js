// Puts the parts together. In the order in which a picture passes through them: strokes, pad or
// picture, loop, look, server, galleries, scores; then what there is to do with what they show.

import { makeGalleries } from "./galleries.js";
import { listenToKeys } from "./keys.js";
import { makeLessons } from "./lessons.js";
import { startLive } from "./live.js";
import { makeNotice } from "./notice.js";
import { makeScores } from "./scores.js";
import { pictureOf } from "./server.js";
import { makeState } from "./state.js";
import { makeZoom } from "./zoom.js";

// What load.js hands over: the component's element, its props, a function that watches them, and
// Gradio's way to the page's server.
export function start({ element, props, watch, gradio }) {
  const xray = element.querySelector(".xray");
  const state = makeState();
  const notice = makeNotice(xray);
  if (props.live) startLive({ xray, props, gradio, state, notice });
  makeLessons(xray, props.lessons); // later: when a model is described, its galleries are there
  if (!props.live) showValues({ xray, props, watch, state, notice });
}

// Without a pad: what an event of Gradio's has set.
function showValues({ xray, props, watch, state, notice }) {
  const galleries = makeGalleries(xray, state, () => {});
  const scores = makeScores(xray, state, null);
  listenToKeys(xray, makeZoom(xray, state, galleries), () => undefined);
  function show() {
    const { value } = props;
    if (!value) return;
    if (value.error) return notice.tell(value);
    notice.clear();
    if (value.network.identity !== state.network?.identity) {
      state.network = value.network;
      xray.classList.toggle("for-picture", value.network.input.kind === "picture");
      galleries.build(value.network);
      scores.build(value.network);
      xray.dispatchEvent(new CustomEvent("described", { detail: value.network }));
    }
    scores.show(value);
    galleries.show({ ...value, sheet: pictureOf(value.sheet) });
  }
  watch("value", show);
  show();
}

// Puts the parts together. In the order in which a drawing passes through them: strokes, pad, loop,
// look, server, galleries, scores; then what there is to do with what they show.

import { makeGalleries } from "./galleries.js";
import { listenToKeys } from "./keys.js";
import { makeLessons } from "./lessons.js";
import { startPad } from "./live.js";
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
  const galleries = makeGalleries(xray, state, props.image, props.layers);
  const scores = makeScores(xray);
  xray.addEventListener("shown", ({ detail }) => scores.show(detail.answer));
  const notice = makeNotice(xray);
  makeLessons(xray);
  if (props.live) startPad({ xray, props, gradio, state, galleries, scores, notice });
  else showValues({ xray, props, watch, state, galleries, notice });
}

// Without a pad: what an event of Gradio's has set.
function showValues({ xray, props, watch, state, galleries, notice }) {
  listenToKeys(xray, makeZoom(xray, state, props.layers), {});
  function show() {
    const { value } = props;
    if (!value) return;
    if (value.error) return notice.tell(value);
    notice.clear();
    galleries.show({ ...value, sheet: pictureOf(value.sheet) });
  }
  watch("value", show);
  show();
}

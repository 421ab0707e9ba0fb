// Starts the component. The path of a drawing through the modules: strokes, pad or picture, loop,
// requests, server, galleries and scores.

import { emit } from "./dom.js";
import { makeGalleries } from "./galleries.js";
import { listenToKeys } from "./keys.js";
import { translateTemplate } from "./language.js";
import { makeLessons } from "./lessons.js";
import { startLive } from "./live.js";
import { makeNotice } from "./notice.js";
import { makeScores } from "./scores.js";
import { toBlob } from "./server.js";
import { makeState } from "./state.js";
import { makeZoom } from "./zoom.js";

// Called by load.js with the component's element and props, Gradio's `watch` for changes of the
// props, and the functions of the page server that Gradio calls.
export function start({ element, props, watch, gradio }) {
  const xray = element.querySelector(".xray");
  translateTemplate(xray);
  const state = makeState();
  const notice = makeNotice(xray);
  if (props.live) startLive({ xray, props, gradio, state, notice });
  makeLessons(xray, props.lessons); // after it, so that galleries are built before lessons are set
  if (!props.live) showValues({ xray, props, watch, state, notice });
}

// Without a pad, the component shows the value that a Gradio event sets.
function showValues({ xray, props, watch, state, notice }) {
  const galleries = makeGalleries(xray, state, () => {});
  const scores = makeScores(xray, state, null);
  listenToKeys(xray, makeZoom(xray, state, galleries), () => undefined);
  function show() {
    const { value } = props;
    if (!value) return;
    if (value.error) return notice.show(value);
    notice.clear();
    if (value.network.identity !== state.network?.identity) {
      state.network = value.network;
      xray.classList.toggle("for-picture", value.network.input.kind === "picture");
      galleries.build(value.network);
      scores.build(value.network);
      emit(xray, "network-loaded", value.network);
    }
    scores.show(value);
    galleries.show({ ...value, sheet: toBlob(value.sheet) });
  }
  watch("value", show);
  show();
}

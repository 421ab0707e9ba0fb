// "Why?": which parts of the picture support a class and which contradict it, painted over it.

import { emit, loadImage } from "./dom.js";
import { errorText, t } from "./language.js";
import { makeRequester } from "./loop.js";
import { setText } from "./text.js";

const NEUTRAL = "#8b8b94"; // colour of ink that contributes nothing
const FADED = "grayscale(1) brightness(0.6)"; // filter for a picture under its explanation

// `getCanvas` returns the canvas that shows the picture.
export function makeExplanation(element, state, scores, getCanvas, requestExplanation) {
  const find = (selector) => element.querySelector(selector);
  const overlay = find(".overlay");
  const legend = find(".explanation-legend");
  const problem = find(".explanation-problem");
  const button = find(".why");
  const shown = state.explanation;
  const explanation = {};

  const hasPrediction = () => Boolean(state.answer?.best);

  const request = makeRequester(
    ({ label }) => requestExplanation(label),
    async (_, answer) => {
      if (answer.error) {
        return showProblem(
          t("No explanation is available: {reason}", { reason: errorText(answer) }),
        );
      }
      const contributions = await loadImage(answer.picture);
      if (shown.isOn && hasPrediction()) paint(contributions, answer);
    },
  );

  function hide() {
    overlay.hidden = legend.hidden = problem.hidden = true;
  }

  function showProblem(text) {
    hide();
    setText(problem, text);
    problem.hidden = false;
  }

  function paint(contributions, { label, field: [top, left, height, width] }) {
    const context = overlay.getContext("2d");
    const picture = getCanvas();
    overlay.width = picture.width;
    overlay.height = picture.height;
    if (state.network.input.kind === "drawing") {
      context.drawImage(picture, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = NEUTRAL;
      context.fillRect(0, 0, overlay.width, overlay.height);
      context.globalCompositeOperation = "source-atop"; // colours only the ink
    } else {
      context.filter = FADED;
      context.drawImage(picture, 0, 0);
      context.filter = "none";
    }
    const [x, w] = [left, width].map((fraction) => fraction * overlay.width);
    const [y, h] = [top, height].map((fraction) => fraction * overlay.height);
    context.drawImage(contributions, x, y, w, h);
    const name = state.answer.scores.find(({ index }) => index === label)?.label ??
      state.network.scores.labels[label] ?? String(label);
    setText(legend.querySelector(".for-class"), t("for {label}", { label: name }));
    setText(legend.querySelector(".against-class"), t("against {label}", { label: name }));
    overlay.hidden = legend.hidden = false;
    problem.hidden = true;
  }

  function refresh() {
    if (shown.isOn && hasPrediction()) return request({ label: shown.label });
    request(null);
    if (shown.isOn) showProblem(t("There is nothing to explain yet."));
    else hide();
  }

  function set(isOn, label) {
    Object.assign(shown, { isOn, label });
    button.setAttribute("aria-pressed", isOn);
    scores.press(isOn ? label : null);
    refresh();
    if (isOn) emit(element, "explanation-requested");
  }

  explanation.toggle = () => {
    if (state.network?.canExplain) set(!shown.isOn, null);
  };

  // Explains a class; the same class again switches the explanation off.
  explanation.choose = (label) => {
    if (shown.isOn && shown.label === label) set(false, null);
    else set(true, label);
  };

  explanation.close = () => set(false, null);

  button.addEventListener("click", explanation.toggle);
  element.addEventListener("answer-shown", () => shown.isOn && refresh());
  element.addEventListener("network-loaded", ({ detail }) => {
    button.hidden = !detail.canExplain;
    explanation.close();
  });
  new ResizeObserver(() => shown.isOn && refresh()).observe(find(".pad-area"));
  return explanation;
}

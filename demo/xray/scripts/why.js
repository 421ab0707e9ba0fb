// Why this class: which parts speak for it and which against, over the picture, live.

import { makeAsker } from "./loop.js";
import { setText } from "./text.js";

const NEUTRAL = "#8b8b94"; // ink that says nothing
const FADED = "grayscale(1) brightness(0.6)"; // a picture under what is said of it

// `canvas` tells the one that the picture is on.
export function makeWhy(element, state, scores, canvasOf, askWhy) {
  const find = (selector) => element.querySelector(selector);
  const canvas = find(".overlay");
  const because = find(".because");
  const cannot = find(".cannot");
  const button = find(".why");
  const { why } = state;
  const asker = {};

  const ask = makeAsker(({ label }) => askWhy(label), async (_, told) => {
    if (told.error) {
      hide();
      setText(cannot, `Why cannot be told. ${told.error}`);
      cannot.hidden = false;
      return;
    }
    const picture = new Image();
    picture.src = told.picture;
    await picture.decode();
    if (why.isOn && isRead()) paint(picture, told);
  });

  function hide() {
    canvas.hidden = because.hidden = cannot.hidden = true;
  }

  const isRead = () => Boolean(state.answer?.best);

  function paint(picture, { label, field: [top, left, height, width] }) {
    const context = canvas.getContext("2d");
    const under = canvasOf();
    canvas.width = under.width;
    canvas.height = under.height;
    const isDrawing = state.network.input.kind === "drawing";
    if (isDrawing) {
      context.drawImage(under, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = NEUTRAL;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-atop"; // on the ink alone
    } else {
      context.filter = FADED;
      context.drawImage(under, 0, 0);
      context.filter = "none";
    }
    const [x, w] = [left, width].map((fraction) => fraction * canvas.width);
    const [y, h] = [top, height].map((fraction) => fraction * canvas.height);
    context.drawImage(picture, x, y, w, h);
    const { labels } = state.network.scores;
    const known = state.answer.scores.find(({ index }) => index === label)?.label;
    for (const node of because.querySelectorAll("b")) {
      setText(node, known ?? labels[label] ?? String(label));
    }
    canvas.hidden = because.hidden = false;
    cannot.hidden = true;
  }

  function update() {
    button.setAttribute("aria-pressed", why.isOn);
    scores.press(why.isOn ? why.label : null);
    look();
    if (!why.isOn) return;
    element.dispatchEvent(new CustomEvent("explained", { detail: {} }));
  }

  function look() {
    if (why.isOn && isRead()) return ask({ label: why.label });
    hide();
    ask(null);
    if (!why.isOn) return;
    setText(cannot, "There is no ink to ask about.");
    cannot.hidden = false;
  }

  asker.toggle = () => {
    if (!state.network?.canExplain) return;
    why.isOn = !why.isOn;
    why.label = null;
    update();
  };

  // The same once more ends it.
  asker.choose = (label) => {
    why.isOn = !(why.isOn && why.label === label);
    why.label = why.isOn ? label : null;
    update();
  };

  button.addEventListener("click", asker.toggle);
  element.addEventListener("shown", () => why.isOn && look());
  element.addEventListener("described", ({ detail }) => {
    button.hidden = !detail.canExplain;
    Object.assign(why, { isOn: false, label: null });
    update();
  });
  new ResizeObserver(() => why.isOn && look()).observe(find(".paper"));
  return asker;
}

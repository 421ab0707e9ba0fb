// Why this digit: which ink speaks for it and which against, over the drawing, live.

import { makeAsker } from "./loop.js";
import { setText } from "./text.js";

const NEUTRAL = "#8b8b94"; // ink that says nothing

export function makeWhy(element, state, padCanvas, askWhy) {
  const find = (selector) => element.querySelector(selector);
  const canvas = find(".overlay");
  const because = find(".because");
  const cannot = find(".cannot");
  const button = find(".why");
  const { why } = state;

  const ask = makeAsker(({ digit }) => askWhy(digit), async (_, told) => {
    if (told.error) {
      hide();
      setText(cannot, `Why cannot be told. ${told.error}`);
      cannot.hidden = false;
      return;
    }
    const picture = new Image();
    picture.src = told.picture;
    await picture.decode();
    if (why.isOn && hasInk()) paint(picture, told);
  });

  function hide() {
    canvas.hidden = because.hidden = cannot.hidden = true;
  }

  const hasInk = () => (state.answer?.digit ?? null) !== null;

  function paint(picture, { digit, field: [top, left, side] }) {
    const context = canvas.getContext("2d");
    canvas.width = padCanvas.width;
    canvas.height = padCanvas.height;
    context.drawImage(padCanvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = NEUTRAL;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-atop"; // on the ink alone
    const [x, y, size] = [left, top, side].map((fraction) => fraction * canvas.width);
    context.drawImage(picture, x, y, size, size);
    for (const node of because.querySelectorAll("b")) setText(node, String(digit));
    canvas.hidden = because.hidden = false;
    cannot.hidden = true;
  }

  function update() {
    button.setAttribute("aria-pressed", why.isOn);
    element.querySelectorAll(".score").forEach((score, digit) => {
      score.setAttribute("aria-pressed", why.isOn && digit === why.digit);
    });
    look();
    if (!why.isOn) return;
    element.dispatchEvent(new CustomEvent("explained", { detail: {} }));
  }

  function look() {
    if (why.isOn && hasInk()) return ask({ digit: why.digit });
    hide();
    ask(null);
    if (!why.isOn) return;
    setText(cannot, "There is no ink to ask about.");
    cannot.hidden = false;
  }

  function toggle() {
    why.isOn = !why.isOn;
    why.digit = null;
    update();
  }

  // The same once more ends it.
  function choose(digit) {
    why.isOn = !(why.isOn && why.digit === digit);
    why.digit = why.isOn ? digit : null;
    update();
  }

  button.addEventListener("click", toggle);
  element.querySelectorAll(".score").forEach((score, digit) => {
    score.addEventListener("click", () => choose(digit));
  });
  element.addEventListener("shown", () => why.isOn && look());
  new ResizeObserver(() => why.isOn && look()).observe(padCanvas);
  return { toggle };
}

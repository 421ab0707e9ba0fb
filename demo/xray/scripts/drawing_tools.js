// The drawing tools: pen, eraser, brush size, undo, clear, and sample drawings.

import { make } from "./dom.js";
import { t } from "./language.js";

// Returns the tools' actions by key.
export function makeDrawingTools(element, pad) {
  const find = (selector) => element.querySelector(selector);
  const actions = {
    p: () => setErase(false),
    e: () => setErase(true),
    z: pad.undo,
    c: () => pad.set([]),
    "[": () => resize(-1),
    "]": () => resize(1),
  };

  function setErase(erase) {
    pad.erase = erase;
    find(".pen").setAttribute("aria-pressed", !erase);
    find(".eraser").setAttribute("aria-pressed", erase);
  }

  function resize(by) {
    const size = find(".size");
    size.value = Number(size.value) + by;
    pad.size = size.value / 100;
  }

  // The model's sample drawings; the first ten have the keys 0 to 9.
  element.addEventListener("network-loaded", ({ detail: { input, samples } }) => {
    if (input.kind !== "drawing") return;
    for (let key = 0; key < 10; key++) delete actions[key];
    const buttons = samples.map(({ name, strokes }, i) => {
      const title = i < 10
        ? t("Load a sample {name} (key {key})", { name, key: i })
        : t("Load a sample {name}", { name });
      const button = make("button", { className: "tool sample", title }, name);
      button.addEventListener("click", () => pad.set(strokes));
      if (i < 10) actions[i] = () => pad.set(strokes);
      return button;
    });
    find(".samples").replaceChildren(...buttons);
    find(".samples").hidden = buttons.length === 0;
  });

  find(".pen").addEventListener("click", actions.p);
  find(".eraser").addEventListener("click", actions.e);
  find(".undo").addEventListener("click", actions.z);
  find(".clear").addEventListener("click", actions.c);
  find(".size").addEventListener("input", () => resize(0));
  resize(0);
  return actions;
}

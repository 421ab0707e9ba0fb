// What is drawn with: pen and eraser, the brush's size, undo and clear, ready-made drawings.

import { make } from "./dom.js";

// Returns what keys do, by key.
export function makeDrawingTools(element, pad) {
  const find = (selector) => element.querySelector(selector);
  const keys = {
    p: () => choose(false),
    e: () => choose(true),
    z: pad.undo,
    c: () => pad.set([]),
    "[": () => resize(-1),
    "]": () => resize(1),
  };

  function choose(erase) {
    pad.erase = erase;
    find(".pen").setAttribute("aria-pressed", !erase);
    find(".eraser").setAttribute("aria-pressed", erase);
  }

  function resize(by) {
    const size = find(".size");
    size.value = Number(size.value) + by;
    pad.size = size.value / 100;
  }

  // Those that the model comes with; the first ten have the keys 0 to 9.
  element.addEventListener("described", ({ detail: { input, samples } }) => {
    if (input.kind !== "drawing") return;
    for (let key = 0; key < 10; key++) delete keys[key];
    const buttons = samples.map(({ name, strokes }, i) => {
      const title = i < 10 ? `Start from a ${name} (key ${i})` : `Start from a ${name}`;
      const button = make("button", { className: "tool sample", title }, name);
      button.addEventListener("click", () => pad.set(strokes));
      if (i < 10) keys[i] = () => pad.set(strokes);
      return button;
    });
    find(".samples").replaceChildren(...buttons);
    find(".samples").hidden = buttons.length === 0;
  });

  find(".pen").addEventListener("click", keys.p);
  find(".eraser").addEventListener("click", keys.e);
  find(".undo").addEventListener("click", keys.z);
  find(".clear").addEventListener("click", keys.c);
  find(".size").addEventListener("input", () => resize(0));
  resize(0);
  return keys;
}

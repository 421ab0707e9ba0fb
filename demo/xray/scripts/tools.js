// What is drawn with: pen and eraser, the brush's size, undo and clear, ready-made digits.

// Returns what keys do, by key.
export function makeTools(element, pad, samples) {
  const find = (selector) => element.querySelector(selector);

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

  const sample = (digit) => pad.set(samples[digit]);
  const keys = {
    p: () => choose(false),
    e: () => choose(true),
    z: pad.undo,
    c: () => pad.set([]),
    "[": () => resize(-1),
    "]": () => resize(1),
  };
  for (let digit = 0; digit < 10; digit++) keys[digit] = () => sample(digit);

  find(".pen").addEventListener("click", keys.p);
  find(".eraser").addEventListener("click", keys.e);
  find(".undo").addEventListener("click", keys.z);
  find(".clear").addEventListener("click", keys.c);
  find(".size").addEventListener("input", () => resize(0));
  for (const button of element.querySelectorAll(".sample")) {
    button.addEventListener("click", () => sample(button.dataset.digit));
  }
  resize(0);
  return keys;
}

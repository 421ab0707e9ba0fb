// The tour of the first visit. It never covers the pad, and doing what a step describes leads to the
// next step.

import { t } from "./language.js";

const TOURED = "layer-xray-toured"; // key in localStorage

// A browser may forbid localStorage; then the tour starts at every visit.
export function hasSeenTour() {
  try {
    return localStorage.getItem(TOURED) !== null;
  } catch {
    return false;
  }
}

function rememberTour() {
  try {
    localStorage.setItem(TOURED, "yes");
  } catch {
    // see `hasSeenTour`
  }
}

// `steps` are tour.json: a step may name the event that leads to the next one.
export function makeTour(element, steps) {
  const find = (selector) => element.querySelector(selector);
  const card = find(".tour");
  let current = null; // index of the step

  function go(index) {
    const hadFocus = card.contains(document.activeElement);
    find(".tour-target")?.classList.remove("tour-target");
    const target = index < steps.length ? find(steps[index].target) : null;
    current = target?.offsetParent ? index : null; // a hidden target ends the tour
    card.hidden = current === null;
    if (current === null) {
      if (hadFocus) find(".start-tour").focus({ preventScroll: true });
      return rememberTour();
    }
    const { title, text } = steps[index];
    find(".tour .count").textContent = t("{step} of {steps}", {
      step: index + 1,
      steps: steps.length,
    });
    find(".tour .title").textContent = t(title);
    find(".tour .text").textContent = t(text);
    find(".tour .back").disabled = index === 0;
    find(".tour .next").textContent = t(
      index === steps.length - 1 ? "Done" : "Next",
    );
    target.classList.add("tour-target");
    target.scrollIntoView({ block: "nearest" }); // its scroll margin keeps it clear of pad and card
  }

  steps.forEach(({ event }, index) => {
    if (event) element.addEventListener(event, () => index === current && go(index + 1));
  });
  find(".tour .next").addEventListener("click", () => go(current + 1));
  find(".tour .back").addEventListener("click", () => go(current - 1));
  find(".tour .end").addEventListener("click", () => go(steps.length));
  find(".start-tour").addEventListener("click", () => go(0));
  return { start: () => go(0) };
}

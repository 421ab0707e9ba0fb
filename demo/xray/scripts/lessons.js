// Short answers, opened where the question arises. A model has its own about its layers; else the
// page's are shown, by kind of layer.

import { make } from "./dom.js";

const APART = 8; // pixels between a question mark and its answer

// `lessons` are lists of [question, answer], by place and by kind of layer.
export function makeLessons(element, lessons) {
  const popover = element.querySelector(".lesson");
  let button = null; // that asks

  const answersTo = ({ lesson, dataset }, own = {}) =>
    lesson?.length ? lesson : own[dataset.lesson] ?? lessons[dataset.lesson] ?? [];

  let own = {};
  element.addEventListener("described", ({ detail }) => {
    own = detail.lessons;
    const [input] = detail.layers;
    element.querySelector(".seen .ask").lesson = input.lessons;
    for (const one of element.querySelectorAll(".ask")) {
      one.hidden = answersTo(one, own).length === 0;
      one.popoverTargetElement = popover;
    }
  });

  // Before the popover opens, which is the button's own doing.
  element.addEventListener("pointerdown", choose, true);
  element.addEventListener("click", choose, true);
  function choose({ target }) {
    const asked = target.closest?.(".ask");
    if (!asked) return;
    button = asked;
    popover.replaceChildren(
      ...answersTo(asked, own).flatMap(([question, answer]) => [
        make("h3", {}, question),
        make("p", {}, answer),
      ]),
    );
  }

  popover.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    const at = button.getBoundingClientRect();
    const { width, height } = popover.getBoundingClientRect();
    // Beside the pad and the scores if there is room, so that these stay in sight.
    const beside = button.closest(".hand")?.getBoundingClientRect().right ?? 0;
    const left = Math.min(innerWidth - width - APART, Math.max(APART, at.left, beside + APART));
    const below = at.bottom + APART;
    const top = below + height < innerHeight ? below : Math.max(APART, at.top - APART - height);
    Object.assign(popover.style, { left: `${left}px`, top: `${top}px` });
  });
}

// Short explanations behind the question marks. A model may bring its own, for its layers or by
// topic; otherwise the page's are shown, by kind of layer or topic.

import { make } from "./dom.js";
import { t } from "./language.js";

const GAP = 8; // pixels between a question mark and its lesson, and from the window's edges

// `lessons` are lists of [question, answer] by topic or kind of layer.
export function makeLessons(element, lessons) {
  const popover = element.querySelector(".lesson");
  let modelLessons = {};
  let button = null; // the help button that was pressed last

  const lessonsOf = ({ lessons: layerLessons, dataset: { lesson } }) =>
    layerLessons?.length ? layerLessons : modelLessons[lesson] ?? lessons[lesson] ?? [];

  element.addEventListener("network-loaded", ({ detail }) => {
    modelLessons = detail.lessons;
    element.querySelector(".network-input .help").lessons = detail.layers[0].lessons;
    for (const help of element.querySelectorAll(".help")) {
      help.hidden = lessonsOf(help).length === 0;
      help.popoverTargetElement = popover;
    }
  });

  function fill({ target }) {
    const help = target.closest?.(".help");
    if (!help) return;
    button = help;
    popover.replaceChildren(
      ...lessonsOf(help).flatMap(([question, answer]) => [
        make("h3", {}, t(question)),
        make("p", {}, t(answer)),
      ]),
    );
  }
  // While capturing, before the button itself opens the popover.
  element.addEventListener("pointerdown", fill, true);
  element.addEventListener("click", fill, true);

  popover.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    const box = button.getBoundingClientRect();
    const { width, height } = popover.getBoundingClientRect();
    // Beside the pad and the scores if there is room, so that they stay visible.
    const beside = button.closest(".input-panel")?.getBoundingClientRect().right ?? 0;
    const left = Math.min(innerWidth - width - GAP, Math.max(GAP, box.left, beside + GAP));
    const below = box.bottom + GAP;
    const top = below + height < innerHeight ? below : Math.max(GAP, box.top - GAP - height);
    Object.assign(popover.style, { left: `${left}px`, top: `${top}px` });
  });
}

// Short answers, opened where the question arises.

const APART = 8; // pixels between a question mark and its answer

export function makeLessons(element) {
  for (const button of element.querySelectorAll(".ask")) {
    const lesson = element.querySelector(`.lesson.of-${button.value}`);
    button.popoverTargetElement = lesson;
    lesson.addEventListener("toggle", ({ newState }) => {
      if (newState !== "open") return;
      const at = button.getBoundingClientRect();
      const { width, height } = lesson.getBoundingClientRect();
      // Beside the pad and the scores if there is room, so that these stay in sight.
      const beside = button.closest(".hand")?.getBoundingClientRect().right ?? 0;
      const left = Math.min(innerWidth - width - APART, Math.max(APART, at.left, beside + APART));
      const below = at.bottom + APART;
      const top = below + height < innerHeight ? below : Math.max(APART, at.top - APART - height);
      Object.assign(lesson.style, { left: `${left}px`, top: `${top}px` });
    });
  }
}

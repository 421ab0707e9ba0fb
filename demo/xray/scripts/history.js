// The training history: which served version predicts, chosen or played one after the other.

import { emit, make } from "./dom.js";

// Milliseconds per version when playing; longer for visitors who prefer reduced motion.
const FRAME_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900;

const MAX_WAIT_FRAMES = 3; // for a version that is not on display yet

export function makeHistory(element, state, changed) {
  const list = element.querySelector(".versions");
  const playButton = element.querySelector(".play");
  const history = {};
  let pressed = null; // version
  let timer = null; // while playing

  function press(version) {
    if (version === pressed) return;
    pressed = version;
    for (const button of list.children) {
      button.setAttribute("aria-pressed", Number(button.value) === version);
    }
  }

  function choose(version) {
    state.version = version === state.versions.at(-1) ? null : version;
    press(version);
    changed();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    playButton.textContent = "Play";
  }

  function showVersions(versions) {
    stop();
    state.versions = versions;
    pressed = null;
    element.hidden = versions.length < 2;
    list.replaceChildren(
      ...versions.map((version) =>
        make(
          "button",
          { className: "tool version", value: version },
          version.toLocaleString("en"),
        )
      ),
    );
  }

  // Requests a version from now on; null is the newest.
  history.request = (version) => {
    stop();
    state.version = version;
  };

  // The version on display; null if unknown.
  history.shownVersion = () => state.version ?? state.answerVersion;

  // Takes from an answer its version, all served versions, and whether the requested one is gone.
  history.update = ({ version, versions, unavailable_version: gone }, requested) => {
    if (state.version === gone) state.version = null;
    const isNew = versions.length && String(versions) !== String(state.versions);
    if (isNew) showVersions(versions);
    state.answerVersion = version;
    // If another version was chosen meanwhile, its button stays pressed.
    if (isNew || requested === state.version || requested === gone) press(state.version ?? version);
  };

  history.step = (by) => {
    const { versions } = state;
    if (versions.length < 2) return;
    stop();
    const index = versions.indexOf(history.shownVersion()) + by;
    choose(versions[Math.min(versions.length - 1, Math.max(0, index))]);
    emit(element, "version-selected");
  };

  history.play = () => {
    const { versions } = state;
    if (timer || versions.length < 2) return stop();
    let next = 0;
    let waited = 0;
    const showNext = () => {
      const isShown = next === 0 || state.answer?.version === versions[next - 1];
      if (!isShown && waited++ < MAX_WAIT_FRAMES) return; // slow, or it cannot be predicted
      waited = 0;
      choose(versions[next++]);
      if (next < versions.length) return;
      stop();
      emit(element, "version-selected");
    };
    timer = setInterval(showNext, FRAME_MS);
    playButton.textContent = "Stop";
    showNext();
  };

  playButton.addEventListener("click", history.play);
  list.addEventListener("click", ({ target }) => {
    if (!target.value) return;
    stop();
    choose(Number(target.value));
    emit(element, "version-selected");
  });
  return history;
}

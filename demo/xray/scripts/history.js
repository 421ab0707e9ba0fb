// The training history: which served version predicts, chosen, played one after the other, or
// followed while the network is still being trained.

import { emit, make } from "./dom.js";
import { formatNumber, formatPercent, t } from "./language.js";
import { makeLearningCurve, valuesAt } from "./learning_curve.js";
import { setText } from "./text.js";
import { wait } from "./wait.js";

// Milliseconds per version when playing; longer for visitors who prefer reduced motion.
const FRAME_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900;
const MAX_WAIT_FRAMES = 10; // for a version that is not on display yet: a busy server is slow
// Mean pause between two questions for new versions. Its length is random within a factor of three,
// so that the pages of a class do not ask at the same moment.
const REFRESH_MS = 10_000;
const FOLLOWING_REFRESH_MS = 1500;
const jitter = (ms) => ms * (0.5 + Math.random());

// `requestHistory` asks for the versions and the learning curve; `changed` predicts the drawing by
// the chosen version.
export function makeHistory(xray, state, requestHistory, changed) {
  const element = xray.querySelector(".history");
  const find = (selector) => element.querySelector(selector);
  const list = find(".versions");
  const playButton = find(".play");
  const followButton = find(".follow-training");
  const history = {};
  let served = []; // all served versions, of any run
  let offset = 0; // of the newest run: version number minus training steps
  let points = []; // its learning curve
  let pressed = null; // version
  let timer = null; // while playing or following
  let waited = 0; // frames
  let isFollowing = false;
  let before = null; // {version}: what was requested before the curve's preview; null if there is none
  let wake = () => {}; // ends the pause before the next question

  const curve = makeLearningCurve(find(".learning-curve"), {
    preview(step) {
      if (timer) return; // a film goes on
      before ??= { version: state.version };
      if (offset + step !== history.shownVersion()) show(offset + step);
    },
    choose: (step) => choose(offset + step),
    endPreview() {
      if (before) show(before.version ?? state.versions.at(-1));
      before = null;
    },
  });
  const stepOf = (version) => version - offset;

  function press(version) {
    if (version === pressed) return;
    pressed = version;
    for (const button of list.children) {
      button.setAttribute("aria-pressed", Number(button.value) === version);
    }
    curve.mark(state.versions.includes(version) ? stepOf(version) : null);
    const { loss, accuracy } = valuesAt(points, stepOf(version));
    setText(find(".accuracy-value"), accuracy === null ? "–" : formatPercent(accuracy, 1));
    setText(find(".loss-value"), loss === null ? "–" : formatNumber(loss, 2));
  }

  function show(version) {
    // While following, a newer version must not replace the one whose turn it is.
    state.version = version === state.versions.at(-1) && !isFollowing ? null : version;
    press(version);
    changed();
  }

  function choose(version) {
    stop();
    show(version);
    emit(element, "version-selected");
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    isFollowing = false;
    before = null;
    setText(playButton, t("Play"));
    followButton.setAttribute("aria-pressed", "false");
    if (state.version === state.versions.at(-1)) state.version = null; // again the newest
  }

  function start() {
    waited = 0;
    timer = setInterval(showNext, FRAME_MS);
  }

  function showNext() {
    const { versions } = state;
    const shown = history.shownVersion();
    const isPending = state.answer?.version !== shown && versions.includes(shown);
    if (isPending && waited++ < MAX_WAIT_FRAMES) return; // slow, or it cannot be predicted
    waited = 0;
    const next = versions[versions.indexOf(shown) + 1];
    if (next !== undefined) return show(next);
    if (isFollowing) return;
    stop();
    emit(element, "version-selected");
  }

  function showVersions() {
    const { versions } = state;
    if (timer && !isFollowing) stop(); // what is played has changed
    pressed = null;
    element.hidden = versions.length < 2 && points.length < 2 && !isFollowing;
    list.replaceChildren(
      ...versions.map((version) =>
        make(
          "button",
          { className: "tool version", value: version },
          formatNumber(stepOf(version)),
        )
      ),
    );
    curve.show(points, versions.map(stepOf));
    press(history.shownVersion());
  }

  async function refresh() {
    let answer, model;
    do {
      ({ model } = state);
      answer = await requestHistory();
    } while (model !== state.model); // another network was loaded meanwhile
    if (answer.error || !answer.versions.length) return; // not known at the moment
    if (String(answer.versions) === String(served)) return;
    ({ versions: served, version_offset: offset, curve: points } = answer);
    state.versions = served.filter((version) => version >= offset); // of the newest run
    showVersions();
  }

  async function watch() {
    for (;;) {
      const pause = wait(jitter(isFollowing ? FOLLOWING_REFRESH_MS : REFRESH_MS));
      await Promise.race([pause, new Promise((done) => (wake = done))]);
      if (state.network && !document.hidden && element.isConnected) await refresh();
    }
  }

  // Requests a version from now on; null is the newest.
  history.request = (version) => {
    stop();
    state.version = version;
  };

  history.isFollowing = () => isFollowing;

  // The version on display; null if unknown.
  history.shownVersion = () => state.version ?? state.answerVersion;

  // Takes from an answer its version, all served versions, and whether the requested one is gone.
  history.update = ({ version, versions, unavailable_version: gone }, requested) => {
    if (state.version === gone) state.version = null;
    if (versions.length && String(versions) !== String(served)) wake();
    state.answerVersion = version;
    // If another version was chosen meanwhile, its button stays pressed.
    if (requested === state.version || requested === gone) press(state.version ?? version);
    if (isFollowing) state.version ??= version; // its turn lasts until the next version is shown
  };

  history.step = (by) => {
    const { versions } = state;
    if (versions.length < 2) return;
    const index = versions.indexOf(history.shownVersion()) + by;
    choose(versions[Math.min(versions.length - 1, Math.max(0, index))]);
  };

  history.play = () => {
    const { versions } = state;
    const isPlaying = timer && !isFollowing;
    stop();
    if (isPlaying || versions.length < 2) return;
    setText(playButton, t("Stop"));
    start();
    show(versions[0]);
  };

  history.follow = () => {
    stop();
    isFollowing = true;
    state.version = history.shownVersion(); // the next ones are shown one after the other
    followButton.setAttribute("aria-pressed", "true");
    wake();
    start();
  };

  playButton.addEventListener("click", history.play);
  followButton.addEventListener("click", () => {
    if (!isFollowing) return history.follow();
    stop();
    emit(element, "view-closed");
  });
  list.addEventListener("click", ({ target }) => target.value && choose(Number(target.value)));
  xray.addEventListener("network-loaded", () => {
    served = [];
    wake();
  });
  watch();
  return history;
}

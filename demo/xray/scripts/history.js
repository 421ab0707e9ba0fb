// The network's own history: which of the served versions answers, chosen or played as a film.

// Of the film: long enough to see what changed, and longer for who has asked for less motion.
const FRAME_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900;

export function makeHistory(element, state, changed) {
  const list = element.querySelector(".versions");
  const play = element.querySelector(".play");
  const history = {};
  let pressed = null;
  let film = null;

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
    clearInterval(film);
    film = null;
    play.textContent = "Play";
  }

  function offer(there) {
    stop();
    state.versions = there;
    pressed = null;
    element.hidden = there.length < 2;
    list.replaceChildren(
      ...there.map((version) => {
        const button = document.createElement("button");
        button.className = "tool version";
        button.value = version;
        button.textContent = version.toLocaleString("en");
        return button;
      }),
    );
  }

  // Has a version asked for from now on; null is the newest.
  history.set = (version) => {
    stop();
    state.version = version;
  };

  // The version that is shown, if it is known.
  history.shown = () => state.version ?? state.answeredBy;

  // An answer tells which version it came from, which versions there are, and whether the one that
  // was `asked` for is gone.
  history.follow = ({ version, versions: there, unavailable_version: gone }, asked) => {
    if (state.version === gone) state.version = null;
    const isNew = there.length && String(there) !== String(state.versions);
    if (isNew) offer(there);
    state.answeredBy = version;
    // An answer that was under way while another version was chosen changes nothing.
    if (isNew || asked === state.version || asked === gone) press(state.version ?? version);
  };

  const travelled = () =>
    element.dispatchEvent(new CustomEvent("travelled", { detail: {}, bubbles: true }));

  history.step = (by) => {
    const { versions } = state;
    if (versions.length < 2) return;
    stop();
    const at = versions.indexOf(history.shown()) + by;
    choose(versions[Math.min(versions.length - 1, Math.max(0, at))]);
    travelled();
  };

  history.play = () => {
    const { versions } = state;
    if (film || versions.length < 2) return stop();
    let next = 0;
    const turn = () => {
      choose(versions[next++]);
      if (next < versions.length) return;
      stop();
      travelled();
    };
    film = setInterval(turn, FRAME_MS);
    play.textContent = "Stop";
    turn();
  };

  play.addEventListener("click", history.play);
  list.addEventListener("click", ({ target }) => {
    if (!target.value) return;
    stop();
    choose(Number(target.value));
    travelled();
  });
  return history;
}

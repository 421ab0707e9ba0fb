// The network's own history: which of the served versions answers, chosen or played as a film.

// Of the film: long enough to see what changed, and longer for who has asked for less motion.
const FRAME_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900;

function makeHistory(element, askVersions, changed) {
  const list = element.querySelector(".versions");
  const play = element.querySelector(".play");
  const history = { version: null }; // what to ask for: null is the newest, whichever that is then
  let versions = [];
  let film = null;

  function choose(version) {
    history.version = version === versions.at(-1) ? null : version;
    for (const button of list.children) {
      button.setAttribute("aria-pressed", Number(button.value) === version);
    }
    changed();
  }

  function stop() {
    clearInterval(film);
    film = null;
    play.textContent = "Play";
  }

  // The version that is shown, if it is known.
  history.shown = () => history.version ?? versions.at(-1) ?? null;

  // Asks which versions there are now, and shows one of them, or the newest.
  history.refresh = async (wanted) => {
    stop();
    history.version = wanted;
    const there = (await askVersions()) ?? [];
    if (!there.length) return; // nobody knows; it is asked again when the server is back
    versions = there;
    element.hidden = versions.length < 2;
    list.replaceChildren(
      ...versions.map((version) => {
        const button = document.createElement("button");
        button.className = "tool version";
        button.value = version;
        button.textContent = version.toLocaleString("en");
        return button;
      }),
    );
    choose(versions.includes(wanted) ? wanted : versions.at(-1));
  };

  const travelled = () => element.dispatchEvent(new CustomEvent("travelled", { detail: {}, bubbles: true }));

  history.step = (by) => {
    if (versions.length < 2) return;
    stop();
    const at = versions.indexOf(history.version ?? versions.at(-1)) + by;
    choose(versions[Math.min(versions.length - 1, Math.max(0, at))]);
    travelled();
  };

  history.play = () => {
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

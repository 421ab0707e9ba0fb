// A picture is kept as A and the next ones, B, are seen beside it: A, B, or their difference.

export function makeCompare(element, state, scores, askKeep, complain, changed) {
  const keep = element.querySelector(".keep");
  const which = element.querySelector(".which");
  const compare = {};

  function show(shown) {
    state.style.shown = element.dataset.shown = shown;
    for (const button of which.querySelectorAll("[value]")) {
      button.setAttribute("aria-pressed", button.value === shown);
    }
    changed();
  }

  // `picture` stays A until another is kept or it is dropped.
  compare.keep = async (picture) => {
    const told = await askKeep(picture);
    if (told.error) {
      complain(told);
      return changed(); // which takes the complaint back as soon as it can
    }
    state.a = picture;
    scores.compare(told);
    which.hidden = false;
    keep.hidden = true;
    which.querySelector('[value="B"]').focus({ preventScroll: true });
    show(state.style.shown);
  };

  function end() {
    state.a = null;
    scores.compare(null);
    which.hidden = true;
    keep.hidden = false;
  }

  compare.drop = () => {
    end();
    keep.focus({ preventScroll: true });
    show("B");
  };

  element.addEventListener("described", () => {
    end(); // it is of other layers
    show("B");
  });

  which.addEventListener("click", ({ target }) => {
    if (target.matches(".drop")) compare.drop();
    else if (target.value) show(target.value);
  });
  return compare;
}

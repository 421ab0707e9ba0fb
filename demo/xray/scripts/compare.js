// Compares pictures: one is kept as A, later ones are B; the galleries show A, B or the difference.

export function makeCompare(element, state, scores, requestKeep, showError, changed) {
  const keep = element.querySelector(".keep");
  const compareSwitch = element.querySelector(".compare-switch");
  const compare = {};

  function press(shown) {
    state.style.shown = element.dataset.shown = shown;
    for (const button of compareSwitch.querySelectorAll("[value]")) {
      button.setAttribute("aria-pressed", button.value === shown);
    }
  }

  function show(shown) {
    press(shown);
    changed();
  }

  compare.keep = async (picture) => {
    const answer = await requestKeep(picture);
    if (answer.error) {
      showError(answer);
      return changed(); // the next successful answer clears the error
    }
    state.reference = picture;
    scores.compareWith(answer);
    compareSwitch.hidden = false;
    keep.hidden = true;
    compareSwitch.querySelector('[value="B"]').focus({ preventScroll: true });
    show(state.style.shown);
  };

  function removeReference() {
    state.reference = null;
    scores.compareWith(null);
    compareSwitch.hidden = true;
    keep.hidden = false;
  }

  element.addEventListener("network-loaded", () => {
    removeReference(); // its layers are another network's
    press("B"); // the new network gets a picture anyway, once the pad has its size
  });

  compareSwitch.addEventListener("click", ({ target }) => {
    if (target.matches(".remove-a")) {
      removeReference();
      keep.focus({ preventScroll: true });
      show("B");
    } else if (target.value) show(target.value);
  });
  return compare;
}

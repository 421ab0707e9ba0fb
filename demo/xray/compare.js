// A drawing is kept as A and the next ones, B, are seen beside it: A, B, or their difference.

function makeCompare(element, style, scores, askKeep, complain, changed) {
  const keep = element.querySelector(".keep");
  const which = element.querySelector(".which");
  const compare = {};
  let a = null; // {pixels, version}

  function show(shown) {
    style.shown = element.dataset.shown = shown;
    for (const button of which.querySelectorAll("[value]")) {
      button.setAttribute("aria-pressed", button.value === shown);
    }
    changed();
  }

  // `drawing` stays A until another is kept or it is dropped.
  compare.keep = async (drawing) => {
    const { probabilities, error } = (await Promise.race([askKeep(drawing), wait(PATIENCE_MS)])) ?? LOST;
    if (error) {
      complain(error);
      return changed(); // which takes the complaint back
    }
    a = drawing;
    scores.compare(probabilities);
    which.hidden = false;
    keep.hidden = true;
    show(style.shown);
  };

  // Where the page's server has forgotten A: whether it has been told again.
  compare.remind = async () => Boolean(a && (await askKeep(a))?.probabilities);

  compare.drop = () => {
    a = null;
    scores.compare(null);
    which.hidden = true;
    keep.hidden = false;
    show("B");
  };

  which.addEventListener("click", ({ target }) => {
    if (target.matches(".drop")) compare.drop();
    else if (target.value) show(target.value);
  });
  return compare;
}

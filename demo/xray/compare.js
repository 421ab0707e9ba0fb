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
    const told = await answerTo(askKeep(drawing));
    if (told.error) {
      complain(told);
      return changed(); // which takes the complaint back as soon as it can
    }
    a = drawing;
    scores.compare(told);
    which.hidden = false;
    keep.hidden = true;
    which.querySelector('[value="B"]').focus({ preventScroll: true });
    show(style.shown);
  };

  // Tells the page's server, which has forgotten it, A once more.
  compare.remind = () => askKeep(a);

  compare.drop = () => {
    a = null;
    scores.compare(null);
    which.hidden = true;
    keep.hidden = false;
    keep.focus({ preventScroll: true });
    show("B");
  };

  which.addEventListener("click", ({ target }) => {
    if (target.matches(".drop")) compare.drop();
    else if (target.value) show(target.value);
  });
  return compare;
}

// Six steps for the first visit, at the side: the pen is never blocked, and doing what a step speaks
// of leads to the next.

const TOURED = "layer-xray-toured"; // in the browser's memory

// A browser may forbid remembering; then the tour is offered at every visit.
export function remembered() {
  try {
    return localStorage.getItem(TOURED) !== null;
  } catch {
    return false;
  }
}

function remember() {
  try {
    localStorage.setItem(TOURED, "yes");
  } catch {
    // see `remembered`
  }
}

export function makeTour(element, steps) {
  const find = (selector) => element.querySelector(selector);
  const card = find(".tour");
  let at = null;

  function go(to) {
    const hadFocus = card.contains(document.activeElement);
    element.querySelector(".toured")?.classList.remove("toured");
    const isThere = to < steps.length && find(steps[to].at).offsetParent !== null;
    at = isThere ? to : null;
    card.hidden = at === null;
    if (at === null) {
      if (hadFocus) find(".start-tour").focus({ preventScroll: true });
      return remember();
    }
    const { title, text, at: target } = steps[at];
    find(".tour .count").textContent = `${at + 1} of ${steps.length}`;
    find(".tour .title").textContent = title;
    find(".tour .text").textContent = text;
    find(".tour .back").disabled = at === 0;
    find(".tour .next").textContent = at === steps.length - 1 ? "Done" : "Next";
    find(target).classList.add("toured");
    find(target).scrollIntoView({ block: "nearest" }); // its margins keep it clear of pad and card
  }

  steps.forEach(({ done }, step) => {
    if (done) {
      element.addEventListener(done, ({ detail }) => {
        if (step === at && detail !== null) go(at + 1);
      });
    }
  });
  find(".tour .next").addEventListener("click", () => go(at + 1));
  find(".tour .back").addEventListener("click", () => go(at - 1));
  find(".tour .end").addEventListener("click", () => go(steps.length));
  find(".start-tour").addEventListener("click", () => go(0));
  return { start: () => go(0) };
}

// "Fool it": a card with a challenge, how far the current drawing has come, and the best try so far.
// Everything is decided in the browser, from the answers that drawing brings anyway.

import { bestTry, forgetTry, keepTry } from "./best_tries.js";
import {
  isBetter,
  isSureOf,
  judge,
  MAX_CHANGE,
  MIN_PIECES,
  NONSENSE,
  parseChallenge,
} from "./challenge_rules.js";
import { emit, make } from "./dom.js";
import { formatPercent, t } from "./language.js";
import { drawAll } from "./strokes.js";
import { setText } from "./text.js";

const DIGITS = "0123456789";
const FIRST = "7-1";
const BEFORE_START = ["empty", "no-start", "can-start"]; // states in which the rule is open
const TURN_RULE =
  "Draw the digit {from} and press “This is my {from}”. Then change it until the network is sure " +
  "that it is {to}. At most {limit} of the ink may be added or erased: the less, the better. People " +
  "must still see {from}. The page cannot judge that, so ask your neighbour.";
const NONSENSE_RULE =
  "Draw something that is not a digit, in at least {pieces} pieces that do not touch, and make the " +
  "network sure of a digit: the surer, the better. People must not see a digit in it. The page cannot " +
  "judge that, so ask your neighbour.";
const TURN_STATES = {
  "no-start": "First draw {from} so that the network is sure of it.",
  "can-start": "The network is sure that this is {from}. Press “This is my {from}”.",
  unchanged:
    "Now change it with the pen or the eraser. “Why not {to}?” shows the ink against {to} in blue.",
  "too-much": "{change} of the ink has changed. Undo some of it: at most {limit} may change.",
  unsure: "{change} of the ink has changed. {to} has {confidence}: not enough yet.",
  won: "You fooled it! With {change} of the ink changed, it is sure that this is {to}.",
};
const NONSENSE_STATES = {
  empty: "The pad is empty.",
  "too-few": "{count} separate pieces of ink are not enough.",
  unsure: "The network is not sure: {label} has {confidence}.",
  won: "You fooled it! It is {confidence} sure that this is {label}.",
};

// `explain` explains the score of a digit, or of the predicted one if null.
export function makeChallenge(element, state, pad, explain) {
  const card = element.querySelector(".challenge");
  const find = (selector) => card.querySelector(selector);
  const openButton = element.querySelector(".open-challenge");
  const [kind, from, to] = [find(".kind"), find(".from"), find(".to")];
  const [keepButton, status, bestRow] = [find(".keep-start"), find(".status"), find(".best-try")];
  const challenge = {};
  let current = null; // from `parseChallenge`; null if closed
  let start = null; // kept ink, its strokes, and the version that was sure of it
  let best = null; // the best try, see `bestTry`
  let bestOf = null; // what it is the best try of
  let previousState = null; // from `judge`

  for (const select of [from, to]) {
    select.replaceChildren(...[...DIGITS].map((digit) => make("option", { value: digit }, digit)));
  }

  const isPossible = () =>
    state.network?.input.kind === "drawing" && state.network.scores?.labels.join("") === DIGITS;
  const tryName = () => `${current.name} ${state.model} ${state.answer.version}`;

  challenge.name = () => current?.name ?? null;

  // Opens a challenge by name; does nothing if there is none of that name.
  challenge.open = (name = FIRST) => {
    const found = parseChallenge(name);
    if (!found || !isPossible()) return;
    current = found;
    start = previousState = null;
    find(".rule").open = true;
    const isTurn = found.name !== NONSENSE;
    kind.value = isTurn ? "turn" : NONSENSE;
    for (const part of card.querySelectorAll(".turn-only")) part.hidden = !isTurn;
    if (isTurn) [from.value, to.value] = [found.from, found.to];
    const { from: digit, to: target } = found;
    setText(
      find(".rule p"),
      isTurn
        ? t(TURN_RULE, {
          from: String(digit),
          to: String(target),
          limit: formatPercent(MAX_CHANGE),
        })
        : t(NONSENSE_RULE, { pieces: MIN_PIECES }),
    );
    setText(keepButton, t("This is my {digit}", { digit: String(digit) }));
    setText(
      find(".why-not"),
      isTurn ? t("Why not {label}?", { label: String(target) }) : t("Why?"),
    );
    card.hidden = false;
    openButton.setAttribute("aria-pressed", "true");
    update();
  };

  challenge.close = () => {
    if (!current) return;
    if (card.contains(document.activeElement)) openButton.focus({ preventScroll: true });
    current = start = null;
    card.hidden = true;
    openButton.setAttribute("aria-pressed", "false");
  };

  function update() {
    const { answer } = state;
    if (!current || !answer) return;
    if (start?.version !== answer.version) start = null; // another opponent
    const ink = answer.picture.content;
    const verdict = judge(current, answer, start?.ink, ink);
    const isOnPad = !pad.isDown() && pad.content().every((level, i) => level === ink[i]);
    keepButton.disabled = !isOnPad || !isSureOf(answer, current.from) || verdict.change === 0;
    const states = current.to === undefined ? NONSENSE_STATES : TURN_STATES;
    announce(pad.isDown() ? "off" : "polite"); // not on the way
    const values = {
      from: String(current.from),
      to: String(current.to),
      limit: formatPercent(MAX_CHANGE),
      label: verdict.label,
      count: verdict.pieces,
      change: formatPercent(verdict.change ?? 0, 1),
      confidence: formatPercent(verdict.confidence ?? 0, 1),
    };
    setText(status, t(states[verdict.state], values));
    card.classList.toggle("won", verdict.state === "won");
    if (verdict.state !== previousState) find(".rule").open = BEFORE_START.includes(verdict.state);
    previousState = verdict.state;
    if (bestOf !== tryName()) showBest();
    if (verdict.state === "won" && isOnPad) keepIfBetter(verdict.figure);
  }

  function announce(live) {
    if (status.ariaLive === live) return;
    status.ariaLive = live;
    status.textContent = ""; // so that the same text is announced when the pen is up
  }

  function keepIfBetter(figure) {
    if (best && !isBetter(current, figure, best.figure)) return;
    keepTry(bestOf, { figure, start: start?.strokes ?? [], drawing: pad.strokes() });
    showBest();
  }

  function showBest() {
    bestOf = tryName();
    best = bestTry(bestOf);
    bestRow.hidden = best === null;
    if (!best) return;
    const text = current.to === undefined
      ? t("Best try: {confidence} sure", { confidence: formatPercent(best.figure, 1) })
      : t("Best try: {change} changed", { change: formatPercent(best.figure, 1) });
    setText(bestRow.querySelector("span"), text);
    const context = bestRow.querySelector("canvas").getContext("2d");
    context.strokeStyle = getComputedStyle(card).color;
    drawAll(context, best.drawing);
  }

  // Keeps the drawing on the pad as the start.
  function keepStart() {
    start = { ink: pad.content(), strokes: pad.strokes(), version: state.answer.version };
  }

  function closeByVisitor() {
    challenge.close();
    emit(element, "view-closed");
  }

  openButton.addEventListener("click", () => {
    if (current) return closeByVisitor();
    challenge.open();
    card.focus(); // not a select, in which the digit keys would be typed
  });
  find(".close-challenge").addEventListener("click", closeByVisitor);
  card.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    closeByVisitor();
  });
  card.addEventListener("change", ({ target }) => {
    if (target === kind) return challenge.open(kind.value === NONSENSE ? NONSENSE : FIRST);
    const other = target === from ? to : from;
    if (from.value === to.value) other.value = (Number(target.value) + 1) % DIGITS.length;
    challenge.open(`${from.value}-${to.value}`);
  });
  keepButton.addEventListener("click", () => {
    keepStart();
    update();
  });
  find(".start-again").addEventListener("click", () => pad.set(start?.strokes ?? []));
  find(".why-not").addEventListener("click", () => explain(current.to ?? null));
  find(".show-best").addEventListener("click", () => {
    if (current.to !== undefined) {
      pad.set(best.start);
      keepStart();
    }
    pad.set(best.drawing);
  });
  find(".forget-best").addEventListener("click", () => {
    forgetTry(bestOf);
    showBest();
  });
  element.addEventListener("picture-changed", () => {
    keepButton.disabled = true; // until the network has read it
  });
  element.addEventListener("answer-shown", update);
  element.addEventListener("network-loaded", () => {
    challenge.close();
    openButton.hidden = !isPossible();
    find(".why-not").hidden = !state.network.canExplain;
  });
  return challenge;
}

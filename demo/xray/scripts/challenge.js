// "Fool it": a card with a challenge, how far the current drawing has come, and the best try so far.
// Everything is decided in the browser, from the answers that drawing brings anyway.

import { bestTry, forgetTry, keepTry } from "./best_tries.js";
import {
  isBetter,
  judge,
  MAX_CHANGE,
  MIN_PIECES,
  NONSENSE,
  parseChallenge,
} from "./challenge_rules.js";
import { make } from "./dom.js";
import { formatPercent, t } from "./language.js";
import { packStrokes, unpackStrokes } from "./permalink.js";
import { drawAll } from "./strokes.js";
import { setText } from "./text.js";

const DIGITS = "0123456789";
const FIRST = "7-1";
const TURN_RULE =
  "Draw the digit {from} and keep it. Then change it until the network is sure that it is " +
  "{to}. At most {limit} of the ink may be added or erased: the less, the better. People must still " +
  "see {from}. The page cannot judge that, so ask your neighbour.";
const NONSENSE_RULE =
  "Draw something that is no digit, in at least {pieces} pieces that do not touch, and make the " +
  "network sure of a digit: the surer, the better. People must see no digit. The page cannot judge " +
  "that, so ask your neighbour.";
const TURN_STATES = {
  "no-start": "First draw {from} so that the network is sure of it.",
  "can-start": "The network is sure that this is {from}. Keep it.",
  unchanged:
    "Now change it with the pen or the eraser. “Why not {to}?” shows the ink against {to} in blue.",
  "too-much": "{change} of the ink has changed. Undo some of it: at most {limit} may change.",
  unsure: "{change} of the ink has changed. {to} has {confidence}: the network is not sure yet.",
  won: "You fooled it! With {change} of the ink changed, it is sure that this is {to}.",
};
const NONSENSE_STATES = {
  empty: "The pad is empty.",
  "too-few": "{count} separate pieces of ink are not enough.",
  unsure: "The network is not sure: {label} has {confidence}.",
  won: "You fooled it! It is sure that this is {label}, with {confidence}.",
};

// `explain` explains the score of a digit, or of the predicted one if null.
export function makeChallenge(element, state, pad, explain) {
  const card = element.querySelector(".challenge");
  const find = (selector) => card.querySelector(selector);
  const openButton = element.querySelector(".open-challenge");
  const [kind, from, to] = [find(".kind"), find(".from"), find(".to")];
  const [keepButton, status, best] = [find(".keep-start"), find(".status"), find(".best-try")];
  const challenge = {};
  let current = null; // from `parseChallenge`; null if closed
  let start = null; // ink that was kept, and its strokes

  for (const select of [from, to]) {
    select.replaceChildren(...[...DIGITS].map((digit) => make("option", { value: digit }, digit)));
  }

  const isDigits = () => state.network?.scores?.labels.join("") === DIGITS;
  const tryName = () => `${current.name} ${state.model} ${state.answerVersion}`;

  challenge.name = () => current?.name ?? null;

  // Opens a challenge by name; does nothing if there is none of that name.
  challenge.open = (name = FIRST) => {
    const found = parseChallenge(name);
    if (!found || !isDigits()) return;
    current = found;
    start = null;
    const isTurn = found.name !== NONSENSE;
    kind.value = isTurn ? "turn" : NONSENSE;
    for (const part of card.querySelectorAll(".turn-only")) part.hidden = !isTurn;
    if (isTurn) [from.value, to.value] = [found.from, found.to];
    const { from: digit, to: target } = found;
    setText(
      find(".rule"),
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
    const picture = state.cached; // null while a newer drawing is being predicted
    if (!current || !state.answer || !picture) return;
    const verdict = judge(current, state.answer, start?.ink, picture.content);
    const isCurrent = pad.content().every((level, i) => level === picture.content[i]);
    keepButton.disabled = verdict.state !== "can-start" || !isCurrent;
    const states = current.to === undefined ? NONSENSE_STATES : TURN_STATES;
    status.ariaLive = pad.isDown() ? "off" : "polite"; // not announced on the way
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
    if (verdict.state === "won" && isCurrent) keepIfBetter(verdict.figure);
    showBest();
  }

  function keepIfBetter(figure) {
    const previous = bestTry(tryName());
    if (previous && !isBetter(current, figure, previous.figure)) return;
    keepTry({ of: tryName(), figure, drawing: packStrokes(pad.strokes()) });
  }

  function strokesOf({ drawing }) {
    try {
      return unpackStrokes(drawing);
    } catch {
      return []; // changed by someone else
    }
  }

  function showBest() {
    const kept = bestTry(tryName());
    best.hidden = kept === null;
    if (!kept) return;
    const text = current.to === undefined
      ? t("Best try: {confidence} sure", { confidence: formatPercent(kept.figure, 1) })
      : t("Best try: {change} changed", { change: formatPercent(kept.figure, 1) });
    setText(best.querySelector("span"), text);
    const context = best.querySelector("canvas").getContext("2d");
    context.strokeStyle = getComputedStyle(card).color;
    drawAll(context, strokesOf(kept));
  }

  openButton.addEventListener("click", () => {
    if (current) return challenge.close();
    challenge.open();
    kind.focus({ preventScroll: true });
  });
  find(".close-challenge").addEventListener("click", challenge.close);
  card.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    challenge.close();
  });
  card.addEventListener("change", ({ target }) => {
    if (target === kind) return challenge.open(kind.value === NONSENSE ? NONSENSE : FIRST);
    const other = target === from ? to : from;
    if (from.value === to.value) other.value = (Number(target.value) + 1) % DIGITS.length;
    challenge.open(`${from.value}-${to.value}`);
  });
  keepButton.addEventListener("click", () => {
    start = { ink: pad.content(), strokes: pad.strokes() };
    update();
  });
  find(".start-again").addEventListener("click", () => {
    const strokes = start?.strokes ?? [];
    pad.set(strokes);
  });
  find(".why-not").addEventListener("click", () => explain(current.to ?? null));
  find(".show-best").addEventListener("click", () => pad.set(strokesOf(bestTry(tryName()))));
  find(".forget-best").addEventListener("click", () => {
    forgetTry(tryName());
    showBest();
  });
  element.addEventListener("answer-shown", update);
  element.addEventListener("network-loaded", () => {
    challenge.close();
    openButton.hidden = !isDigits();
  });
  return challenge;
}

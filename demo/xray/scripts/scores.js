// The prediction and the class scores: all of a few classes in order, or the best of many. In a
// comparison each row also shows A's score.

import { make } from "./dom.js";
import { formatNumber, formatPercent, t } from "./language.js";
import { setText, short } from "./text.js";

const FEW = 10; // rows

// `choose` gets the index of a clicked class; without it the scores are not buttons.
export function makeScores(element, state, choose) {
  const find = (selector) => element.querySelector(selector);
  const list = find(".scores");
  const scores = {};
  let rows = [];
  let reference = null; // A's prediction

  scores.build = ({ scores: description }) => {
    reference = null;
    element.classList.remove("comparing");
    list.hidden = !description;
    find(".result").classList.toggle("no-scores", !description);
    // Bars in columns have no room for names under them.
    const isLong = description &&
      (description.classes > FEW || description.labels.some((label) => label.length > 2));
    list.classList.toggle("rows", Boolean(isLong));
    const count = description ? Math.min(description.classes, FEW) : 0;
    rows = Array.from({ length: count }, (_, index) => makeRow(index));
    list.replaceChildren(...rows.map(({ item }) => item));
  };

  const isExplainable = () => choose && state.network.canExplain;

  function makeRow(index) {
    const row = {
      label: make("b"),
      percent: make("span", { className: "percent" }, "0"),
      referencePercent: make("span", { className: "reference-percent" }),
      referenceBar: make("span", { className: "reference-bar" }),
      bar: make("span", { className: "bar" }),
      index,
    };
    const track = make("span", { className: "track" }, row.referenceBar, row.bar);
    const isButton = isExplainable();
    row.score = make(
      isButton ? "button" : "span",
      { className: "score" },
      row.percent,
      row.referencePercent,
      track,
      row.label,
    );
    if (isButton) {
      row.score.setAttribute("aria-pressed", "false");
      row.score.addEventListener("click", () => choose(row.index));
    }
    row.item = make("li", {}, row.score);
    return row;
  }

  const isProbability = (value) => value >= 0 && value <= 1;

  function fill(bar, percent, value) {
    const decimals = list.classList.contains("rows") ? 1 : 0;
    setText(percent, isProbability(value) ? formatNumber(100 * value, decimals) : short(value));
    bar.style.setProperty("--value", Math.min(1, Math.max(0, value)));
  }

  const formatConfidence = ({ value }) =>
    isProbability(value) ? formatPercent(value, 1) : short(value);

  scores.show = ({ best, sure, scores: all }) => {
    element.classList.toggle("low-confidence", !sure);
    const [name, confidence] = best === null
      ? ["–", state.network.input.kind === "drawing" ? t("no ink") : ""]
      : sure
      ? [best.label, formatConfidence(best)]
      : ["?", t("not sure")];
    setText(find(".best"), name);
    find(".best").classList.toggle("long", name.length > 2);
    setText(find(".confidence"), confidence);
    rows.forEach((row, i) => {
      row.item.hidden = !all[i];
      if (!all[i]) return;
      const { index, label, value } = all[i];
      row.index = index;
      setText(row.label, label);
      if (isExplainable()) row.score.title = t("Explain {label}", { label });
      row.item.classList.toggle("winner", index === best?.index);
      fill(row.bar, row.percent, best === null ? 0 : value);
    });
    fillReference();
  };

  function fillReference() {
    if (reference === null) return;
    const values = new Map(reference.scores.map(({ index, value }) => [index, value]));
    for (const { index, referenceBar, referencePercent } of rows) {
      const value = reference.best === null ? 0 : values.get(index) ?? 0;
      fill(referenceBar, referencePercent, value);
    }
  }

  // Shows A's scores as well; null ends the comparison.
  scores.compareWith = (prediction) => {
    reference = prediction;
    element.classList.toggle("comparing", reference !== null);
    fillReference();
  };

  // Marks the class that is explained.
  scores.press = (label) => {
    for (const { index, score } of rows) {
      if (score.tagName === "BUTTON") score.setAttribute("aria-pressed", index === label);
    }
  };

  return scores;
}

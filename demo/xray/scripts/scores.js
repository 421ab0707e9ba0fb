// The reading and the scores of classes, beside those of the picture that it is compared with: all
// of a few in their order, or the best of many.

import { make } from "./dom.js";
import { setText, short } from "./text.js";

const FEW = 10; // classes, or the best of many

// `choose` gets the number of a class that is asked about; without it nothing can be asked.
export function makeScores(element, state, choose) {
  const find = (selector) => element.querySelector(selector);
  const list = find(".scores");
  const scores = {};
  let rows = [];
  let other = null; // the reading that this one is compared with

  scores.build = ({ scores: told }) => {
    other = null;
    element.classList.remove("comparing");
    list.hidden = !told;
    find(".verdict").classList.toggle("unscored", !told);
    // Names have no room under bars.
    const isLong = told && (told.classes > FEW || told.labels.some((label) => label.length > 2));
    list.classList.toggle("rows", Boolean(isLong));
    rows = Array.from({ length: told ? Math.min(told.classes, FEW) : 0 }, (_, i) => makeRow(i));
    list.replaceChildren(...rows.map(({ row }) => row));
  };

  function makeRow(index) {
    const parts = {
      label: make("b"),
      percent: make("span", { className: "percent" }, "0"),
      otherPercent: make("span", { className: "other-percent" }),
      otherBar: make("span", { className: "other-bar" }),
      bar: make("span", { className: "bar" }),
      index,
    };
    const track = make("span", { className: "track" }, parts.otherBar, parts.bar);
    const fields = { className: "score", title: "" };
    const isButton = choose && state.network.canExplain;
    parts.score = make(
      isButton ? "button" : "span",
      fields,
      parts.percent,
      parts.otherPercent,
      track,
      parts.label,
    );
    if (isButton) {
      parts.score.setAttribute("aria-pressed", "false");
      parts.score.addEventListener("click", () => choose(parts.index));
    }
    parts.row = make("li", {}, parts.score);
    return parts;
  }

  const isShare = (value) => value >= 0 && value <= 1; // and no number of another kind

  function fill(bar, percent, value) {
    const decimals = list.classList.contains("rows") ? 1 : 0;
    setText(percent, isShare(value) ? (100 * value).toFixed(decimals) : short(value));
    bar.style.setProperty("--value", Math.min(1, Math.max(0, value)));
  }

  scores.show = (reading) => {
    const { best, sure, scores: all } = reading;
    element.classList.toggle("unsure", !sure);
    const value = best &&
      (isShare(best.value) ? `${(100 * best.value).toFixed(1)}%` : short(best.value));
    const [name, sureness] = best === null
      ? ["–", state.network.input.kind === "drawing" ? "no ink" : ""]
      : sure
      ? [best.label, value]
      : ["?", "not sure"];
    setText(find(".best"), name);
    find(".best").classList.toggle("long", name.length > 2);
    setText(find(".sure"), sureness);
    rows.forEach((row, i) => {
      const told = all[i];
      row.row.hidden = !told;
      if (!told) return;
      row.index = told.index;
      setText(row.label, told.label);
      row.score.title = `Why ${told.label}, or why not`;
      row.row.classList.toggle("winner", told.index === best?.index);
      fill(row.bar, row.percent, best === null ? 0 : told.value);
    });
    compareRows();
  };

  function compareRows() {
    if (other === null) return;
    const values = new Map(other.scores.map(({ index, value }) => [index, value]));
    for (const { index, otherBar, otherPercent } of rows) {
      fill(otherBar, otherPercent, other.best === null ? 0 : values.get(index) ?? 0);
    }
  }

  // The reading of the other picture; null ends the comparison.
  scores.compare = (reading) => {
    other = reading;
    element.classList.toggle("comparing", other !== null);
    compareRows();
  };

  // Marks the class that is asked about.
  scores.press = (label) => {
    for (const { index, score } of rows) {
      if (score.tagName === "BUTTON") score.setAttribute("aria-pressed", index === label);
    }
  };

  return scores;
}

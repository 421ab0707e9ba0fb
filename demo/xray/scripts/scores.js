// The reading and the scores of all digits, beside those of the drawing that it is compared with.

import { setText } from "./text.js";

export function makeScores(element) {
  const find = (selector) => element.querySelector(selector);
  const rows = [...element.querySelectorAll(".scores li")].map((row) => ({
    row,
    percent: row.querySelector(".percent"),
    bar: row.querySelector(".bar"),
    otherPercent: row.querySelector(".other-percent"),
    otherBar: row.querySelector(".other-bar"),
  }));

  function fill(bar, percent, value) {
    setText(percent, (100 * value).toFixed(0));
    bar.style.transform = `scaleY(${value})`;
  }

  return {
    show({ digit, sure, probabilities }) {
      element.classList.toggle("unsure", !sure);
      const [reading, sureness] = digit === null
        ? ["–", "no ink"]
        : sure
        ? [String(digit), `${(100 * probabilities[digit]).toFixed(1)}%`]
        : ["?", "not sure"];
      setText(find(".digit"), reading);
      setText(find(".sure"), sureness);
      rows.forEach(({ row, percent, bar }, i) => {
        row.classList.toggle("winner", i === digit);
        fill(bar, percent, digit === null ? 0 : probabilities[i]);
      });
    },
    // The reading of the other drawing; null ends the comparison.
    compare(other) {
      element.classList.toggle("comparing", other !== null);
      if (other === null) return;
      const { digit, probabilities } = other;
      rows.forEach(({ otherBar, otherPercent }, i) => {
        fill(otherBar, otherPercent, digit === null ? 0 : probabilities[i]);
      });
    },
  };
}

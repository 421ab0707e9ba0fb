// Sets texts, and formats activations.

import { formatNumber } from "./language.js";

// Setting the same text again would make the browser lay out the page again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const short = (number) => formatNumber(number, number < 10 ? 2 : number < 100 ? 1 : 0);

const withSign = (number, plus, decimals) =>
  `${number < 0 ? "−" : plus}${formatNumber(Math.abs(number), decimals)}`;
export const plain = (number, decimals = 4) => withSign(number, "", decimals);
export const signed = (number, decimals = 4) => withSign(number, "+", decimals);

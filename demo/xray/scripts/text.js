// Numbers as text, and text into the page.

// Setting the same text again would have the browser lay out the page again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const short = (number) => number.toFixed(number < 10 ? 2 : number < 100 ? 1 : 0);
export const plain = (number, decimals = 4) =>
  `${number < 0 ? "−" : ""}${Math.abs(number).toFixed(decimals)}`;
export const signed = (number, decimals = 4) =>
  `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(decimals)}`;

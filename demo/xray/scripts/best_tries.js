// The best try of each challenge, kept on this device only.

import { packStrokes, unpackStrokes } from "./permalink.js";

const KEY = "layer-xray-challenges"; // in localStorage
const MAX_KEPT = 20; // the oldest are dropped

// A browser may forbid localStorage, and it may hold anything.
function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter(isTry) : [];
  } catch {
    return [];
  }
}

const isTry = (kept) =>
  typeof kept?.of === "string" && Number.isFinite(kept.figure) && kept.figure >= 0 &&
  kept.figure <= 1;

function write(kept) {
  try {
    localStorage.setItem(KEY, JSON.stringify(kept.slice(-MAX_KEPT)));
  } catch {
    // it is not kept then
  }
}

// `of` names the challenge, the model and its version. A try is {figure, start, drawing}, the last
// two as strokes; null if there is none, or none that can be read.
export function bestTry(of) {
  const kept = read().find((kept) => kept.of === of);
  try {
    const { figure, start, drawing } = kept;
    return { figure, start: unpackStrokes(start), drawing: unpackStrokes(drawing) };
  } catch {
    return null;
  }
}

export function keepTry(of, { figure, start, drawing }) {
  const packed = { of, figure, start: packStrokes(start), drawing: packStrokes(drawing) };
  write([...read().filter((kept) => kept.of !== of), packed]);
}

export const forgetTry = (of) => write(read().filter((kept) => kept.of !== of));

// The rules of the challenges: exact, and checked on the drawing as it was sent.

export const MAX_CHANGE = 0.35; // of the ink: most 7s can be won, and no digit can be redrawn
export const MIN_PIECES = 4; // a digit has one or two
export const NONSENSE = "nonsense";
const SURE = 0.9; // least probability; the network's own threshold may be higher
const INK = 128; // least level of a pixel that counts as ink

// The challenge with a name: `7-1` (turn a 7 into a 1) or `nonsense`; null if there is none.
export function parseChallenge(name) {
  if (name === NONSENSE) return { name };
  const [, from, to] = /^(\d)-(\d)$/.exec(name ?? "") ?? [];
  return from === to ? null : { name, from: Number(from), to: Number(to) };
}

// How much ink was added and erased, as a fraction of the ink at the start.
export function changeOfInk(start, ink) {
  let total = 0;
  let changed = 0;
  start.forEach((level, i) => {
    total += level;
    changed += Math.abs(ink[i] - level);
  });
  return total ? changed / total : 0;
}

// The number of pieces of ink that do not touch, not even diagonally. `ink` has [side × side] pixels.
export function countPieces(ink) {
  const side = Math.sqrt(ink.length);
  const isInk = Array.from(ink, (level) => level >= INK);
  const isAt = (x, y) => x >= 0 && y >= 0 && x < side && y < side && isInk[y * side + x];
  let pieces = 0;
  for (let first = 0; first < isInk.length; first++) {
    if (!isInk[first]) continue;
    pieces++;
    const found = [first];
    isInk[first] = false;
    while (found.length) {
      const pixel = found.pop();
      const [x, y] = [pixel % side, Math.floor(pixel / side)];
      for (const dy of [-1, 0, 1]) {
        for (const dx of [-1, 0, 1]) {
          if (!isAt(x + dx, y + dy)) continue;
          isInk[(y + dy) * side + x + dx] = false;
          found.push((y + dy) * side + x + dx);
        }
      }
    }
  }
  return pieces;
}

// Whether the network is sure. A value above 1 is no probability.
const isSure = ({ best, sure }) => sure && best !== null && best.value >= SURE && best.value <= 1;

// Whether the network is sure of a digit.
export const isSureOf = (answer, digit) => isSure(answer) && answer.best.index === digit;

// How far a try has come. `state` is one of: no-start, can-start, unchanged, too-much, unsure, won,
// and for nonsense: empty, too-few, unsure, won. `figure` is what a won try is compared by.
export function judge({ from, to }, answer, start, ink) {
  const { best, scores } = answer;
  if (to === undefined) {
    const pieces = countPieces(ink);
    const tried = { pieces, label: best?.label, confidence: best?.value };
    if (best === null) return { state: "empty" };
    if (pieces < MIN_PIECES) return { state: "too-few", ...tried };
    return { state: isSure(answer) ? "won" : "unsure", ...tried, figure: best.value };
  }
  if (!start) return { state: isSureOf(answer, from) ? "can-start" : "no-start" };
  const change = changeOfInk(start, ink);
  const confidence = scores.find(({ index }) => index === to)?.value ?? 0;
  if (change === 0) return { state: "unchanged", change };
  if (change > MAX_CHANGE) return { state: "too-much", change };
  const isWon = isSureOf(answer, to);
  return { state: isWon ? "won" : "unsure", change, confidence, figure: change };
}

// Whether a figure is better than another: a smaller change, or a higher confidence.
export const isBetter = ({ to }, figure, other) =>
  to === undefined ? figure > other : figure < other;

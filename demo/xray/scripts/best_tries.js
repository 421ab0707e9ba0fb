// The best try of each challenge, kept on this device only.

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
  typeof kept?.of === "string" && typeof kept.drawing === "string" && kept.figure >= 0 &&
  kept.figure <= 1;

function write(kept) {
  try {
    localStorage.setItem(KEY, JSON.stringify(kept.slice(-MAX_KEPT)));
  } catch {
    // it is not kept then
  }
}

// `of` names the challenge, the model and its version. A try is {of, figure, drawing}.
export const bestTry = (of) => read().find((kept) => kept.of === of) ?? null;

export const keepTry = (best) => write([...read().filter(({ of }) => of !== best.of), best]);

export const forgetTry = (of) => write(read().filter((kept) => kept.of !== of));

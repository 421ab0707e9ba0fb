// Waiting, with a limit, and ever longer.

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What a promise comes to, null if that takes longer.
export function within(ms, promise) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms, null)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Milliseconds before the next try: twice as long after each failure, and for each visitor others,
// so that not all come back at the same moment.
export const backOff = (failures, first, longest) =>
  Math.min(first * 2 ** failures, longest) * (0.5 + Math.random() / 2);

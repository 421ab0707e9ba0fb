// Timeouts and pauses.

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Resolves to what the promise resolves to, or to null after a timeout.
export function within(ms, promise) {
  let timer;
  const timeout = new Promise((resolve) => (timer = setTimeout(resolve, ms, null)));
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

// Milliseconds to wait before the next attempt: doubled after each failure, with random jitter so
// that visitors do not all retry at the same moment.
export const backOff = (failures, first, longest) =>
  Math.min(first * 2 ** failures, longest) * (0.5 + Math.random() / 2);

// Fake timers: a test fires them, and sees how long each would have waited.

export function useFakeTimers() {
  const { setTimeout, clearTimeout } = globalThis;
  const { now } = performance;
  let skipped = 0;
  performance.now = () => now.call(performance) + skipped;
  const timers = new Map();
  let last = 0;
  globalThis.setTimeout = (callback, ms, ...args) => {
    timers.set(++last, { callback: () => callback(...args), ms });
    return last;
  };
  globalThis.clearTimeout = (timer) => timers.delete(timer);
  return {
    pending: () => [...timers.values()].map(({ ms }) => ms),
    // Fires all timers of at most this many milliseconds.
    fire(maxMs = Infinity) {
      for (const [timer, { callback, ms }] of timers) {
        if (ms > maxMs) continue;
        timers.delete(timer);
        callback();
      }
    },
    skip: (ms) => (skipped += ms),
    restore() {
      performance.now = now;
      Object.assign(globalThis, { setTimeout, clearTimeout });
    },
  };
}

// Runs all pending promise callbacks.
export async function settle() {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

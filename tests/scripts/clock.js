// A clock for tests: what waits is woken when the test says so, and how long it waits is known.

export function stopTheClock() {
  const { setTimeout, clearTimeout } = globalThis;
  const { now } = performance;
  let passed = 0;
  performance.now = () => now.call(performance) + passed;
  const timers = new Map();
  let last = 0;
  globalThis.setTimeout = (wake, ms, ...args) => {
    timers.set(++last, { wake: () => wake(...args), ms });
    return last;
  };
  globalThis.clearTimeout = (timer) => timers.delete(timer);
  return {
    waits: () => [...timers.values()].map(({ ms }) => ms),
    // Wakes all that wait no longer than that.
    wake(most = Infinity) {
      for (const [timer, { wake, ms }] of timers) {
        if (ms > most) continue;
        timers.delete(timer);
        wake();
      }
    },
    pass: (ms) => (passed += ms),
    restart() {
      performance.now = now;
      Object.assign(globalThis, { setTimeout, clearTimeout });
    },
  };
}

// All that can go on without a timer has gone on.
export async function settle() {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

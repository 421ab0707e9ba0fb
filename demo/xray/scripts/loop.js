// When to ask: the newest drawing is sent next, and the last one always is; what has failed is asked
// again, ever later, so that a server that was away is back by itself.

import { backOff, wait } from "./wait.js";

const RETRY_MS = 400; // after a failure, twice as long after the next one, up to
const MAX_RETRY_MS = 1600;
const MAX_BUSY_MS = 6400; // for a server that has too much to do
const UNREADABLE = { error: "The picture of the layers could not be shown. Draw on.", final: true };

const pause = (failures, isBusy) =>
  wait(backOff(failures, RETRY_MS, isBusy ? MAX_BUSY_MS : MAX_RETRY_MS));

// The live loop. `mostUnderWay` tells how many drawings may be asked about before one is answered.
export function makeLoop({ ask, mostUnderWay, show, complain }) {
  let isDue = false;
  let underWay = 0;
  let failures = 0;
  let isPausing = false;

  async function run() {
    underWay++;
    try {
      while (isDue && !isPausing) await step();
    } finally {
      underWay--;
    }
  }

  async function step() {
    isDue = false;
    const askedAt = performance.now();
    const answer = await ask();
    if (answer.superseded) return;
    if (!answer.error) {
      failures = 0;
      show(answer, askedAt).catch(() => complain(UNREADABLE)); // the next one does not wait for it
      return;
    }
    complain(answer);
    if (answer.final) return; // until something has changed
    isDue = true;
    if (isPausing) return;
    isPausing = true;
    await pause(failures++, answer.busy);
    isPausing = false;
  }

  return function changed() {
    isDue = true;
    if (!isPausing && underWay < mostUnderWay()) run();
  };
}

// One question at a time, and the last one is always asked, again if that may help: `tell` gets each
// answer that is still wanted. `null` asks nothing and wants no answer.
export function makeAsker(ask, tell) {
  let wanted = null;
  let isAsking = false;
  let wake = () => {}; // ends the pause after a failure: what is new is asked at once

  return async function (question) {
    wanted = question;
    wake();
    if (isAsking) return;
    isAsking = true;
    let told = null; // the question that needs no more asking
    for (let failures = 0; wanted !== null && wanted !== told;) {
      const asked = wanted;
      const answer = await ask(asked);
      if (wanted === null) break;
      try {
        await tell(asked, answer);
      } catch (error) {
        reportError(error);
      }
      if (answer.error && !answer.final) {
        await Promise.race([pause(failures++, answer.busy), new Promise((done) => (wake = done))]);
      } else {
        told = asked;
        failures = 0;
      }
    }
    isAsking = false;
  };
}

// Request loops: the newest drawing is sent next, the last one is always sent, and failed requests
// are retried with growing pauses.

import { backOff, wait } from "./wait.js";

const RETRY_MS = 400; // pause after the first failure, doubled after each further one, up to
const MAX_RETRY_MS = 1600;
const MAX_BUSY_MS = 6400; // for a busy server
const UNREADABLE = { error: "The layers could not be displayed. Keep drawing.", final: true };

const pause = (failures, isBusy) =>
  wait(backOff(failures, RETRY_MS, isBusy ? MAX_BUSY_MS : MAX_RETRY_MS));

// The loop for predictions. `maxInFlight` returns how many requests may be unanswered at a time.
// Returns a function to call when the drawing has changed.
export function makeLoop({ send, maxInFlight, show, showError }) {
  let isDue = false;
  let inFlight = 0;
  let failures = 0;
  let isPausing = false;

  async function run() {
    inFlight++;
    try {
      while (isDue && !isPausing) await step();
    } finally {
      inFlight--;
    }
  }

  async function step() {
    isDue = false;
    const askedAt = performance.now();
    const answer = await send();
    if (answer.superseded) return;
    if (!answer.error) {
      failures = 0;
      show(answer, askedAt).catch(() => showError(UNREADABLE)); // the next request need not wait
      return;
    }
    showError(answer);
    if (answer.final) return; // until the drawing changes
    isDue = true;
    if (isPausing) return;
    isPausing = true;
    await pause(failures++, answer.busy);
    isPausing = false;
  }

  return function changed() {
    isDue = true;
    if (!isPausing && inFlight < maxInFlight()) run();
  };
}

// The loop for details: one request at a time, always for the newest question. `handle` gets each
// question with its answer. Returns a function that takes a question; null cancels.
export function makeRequester(send, handle) {
  let wanted = null;
  let isRunning = false;
  let wake = () => {}; // ends the pause after a failure, because a new question need not wait

  return async function request(question) {
    wanted = question;
    wake();
    if (isRunning) return;
    isRunning = true;
    let answered = null; // the last question that needs no further attempt
    for (let failures = 0; wanted !== null && wanted !== answered;) {
      const sent = wanted;
      const answer = await send(sent);
      if (wanted === null) break;
      try {
        await handle(sent, answer);
      } catch (error) {
        reportError(error);
      }
      if (answer.error && !answer.final) {
        await Promise.race([pause(failures++, answer.busy), new Promise((done) => (wake = done))]);
      } else {
        answered = sent;
        failures = 0;
      }
    }
    isRunning = false;
  };
}

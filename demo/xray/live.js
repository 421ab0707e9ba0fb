// The live loop: at most one request is under way, the newest drawing is sent next, and the last
// one always is. While a server is away it goes on asking, so that it is back by itself.

const RETRY_MS = 400; // after a failure, twice as long after the next one, up to
const LONGEST_RETRY_MS = 1600;
const LONGEST_BUSY_MS = 6400; // for a server that has too much to do
const PATIENCE_MS = 5000; // for the page's own server, which answers for the model server in time
const LOST = { error: "The page has lost its server. Your drawing is kept; it goes on trying." };
const LOGGED_OUT = {
  error: "The page asks for your password again. Your drawing is kept, and comes with you.",
  isLoggedOut: true,
  final: true,
};
const UNREADABLE = { error: "The picture of the layers could not be shown. Draw on.", final: true };

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Before the next try, of each visitor at another moment.
function pause(failures, isBusy) {
  const longest = isBusy ? LONGEST_BUSY_MS : LONGEST_RETRY_MS;
  return wait(Math.min(RETRY_MS * 2 ** failures, longest) * (0.5 + Math.random() / 2));
}

// What a function of the page's server answers. Gradio answers nothing at all, without an error,
// when its server cannot be reached or does not know the visitor.
async function answerTo(asking) {
  const answer = await Promise.race([asking, wait(PATIENCE_MS)]).catch(() => null);
  return answer ?? ((await isLoggedOut()) ? LOGGED_OUT : LOST);
}

async function isLoggedOut() {
  const url = `${window.gradio_config?.root ?? ""}/config`;
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) })).status === 401;
  } catch {
    return false;
  }
}

function makeLoop(ask, show, complain) {
  let isDue = false;
  let isRunning = false;

  return async function changed() {
    isDue = true;
    if (isRunning) return;
    isRunning = true;
    for (let failures = 0; isDue; ) {
      isDue = false;
      const askedAt = performance.now();
      const answer = await answerTo(ask());
      if (!answer.error) {
        failures = 0;
        show(answer, askedAt).catch(() => complain(UNREADABLE)); // the next one does not wait for it
        continue;
      }
      complain(answer);
      if (answer.final) continue; // until something has changed
      await pause(failures++, answer.busy);
      isDue = true;
    }
    isRunning = false;
  };
}

// One question at a time, and the last one is always asked, again if that may help: `tell` gets each
// answer that is still wanted. `null` asks nothing and wants no answer.
function makeAsker(ask, tell) {
  let wanted = null;
  let isAsking = false;
  let wake = () => {}; // ends the pause after a failure: what is new is asked at once

  return async function (question) {
    wanted = question;
    wake();
    if (isAsking) return;
    isAsking = true;
    let told = null; // the question that needs no more asking
    for (let failures = 0; wanted !== null && wanted !== told; ) {
      const asked = wanted;
      const answer = await answerTo(ask(asked));
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

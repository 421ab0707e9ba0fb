// The live loop: at most one request is under way, the newest drawing is sent next, and the last
// one always is. While a server is away it goes on asking, so that it is back by itself.

const RETRY_MS = 400;
const AGAIN_MS = 2000; // for what is asked beside the drawing
const PATIENCE_MS = 5000; // for the page's own server, which answers for the model server in time
const LOST = { error: "The page has lost its server. Your drawing is kept; it goes on trying." };

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function makeLoop(ask, show, complain) {
  let isDue = false;
  let isRunning = false;

  return async function changed() {
    isDue = true;
    if (isRunning) return;
    isRunning = true;
    while (isDue) {
      isDue = false;
      const askedAt = performance.now();
      // Gradio answers nothing at all, without an error, when its server cannot be reached.
      const answer = (await Promise.race([ask(), wait(PATIENCE_MS)]).catch(() => null)) ?? LOST;
      if (answer.error) {
        complain(answer.error);
        await wait(RETRY_MS);
        isDue = true;
      } else {
        show(answer, askedAt); // the next request does not wait for the painting
      }
    }
    isRunning = false;
  };
}

// One question at a time, and the last one is always asked, again and again if it fails: `tell` gets
// each answer that is still wanted. `null` asks nothing and wants no answer.
function makeAsker(ask, tell) {
  let wanted = null;
  let isAsking = false;

  return async function (question) {
    wanted = question;
    if (isAsking) return;
    isAsking = true;
    let told = null; // the question that needs no more asking
    while (wanted !== null && wanted !== told) {
      const asked = wanted;
      const answer = (await Promise.race([ask(asked), wait(PATIENCE_MS)]).catch(() => null)) ?? LOST;
      if (wanted === null) break;
      await tell(asked, answer);
      if (answer.error) await wait(AGAIN_MS);
      else told = asked;
    }
    isAsking = false;
  };
}

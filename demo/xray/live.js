// The live loop: at most one request is under way, the newest drawing is sent next, and the last
// one always is. While the server is away it goes on asking, so that it is back by itself.

const RETRY_MS = 400;

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
      let answer;
      try {
        answer = await ask();
      } catch {
        answer = { error: "The page has lost its server. It goes on trying." };
      }
      if (answer.error) {
        complain(answer.error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        isDue = true;
      } else {
        show(answer, askedAt); // the next request does not wait for the painting
      }
    }
    isRunning = false;
  };
}

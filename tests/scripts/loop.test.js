import assert from "node:assert/strict";
import { makeLoop, makeRequester } from "../../demo/xray/scripts/loop.js";
import { settle, useFakeTimers } from "./clock.js";

// A loop whose requests the test answers: `answers[i]` answers the i-th one.
function makeBench(maxInFlight = 1) {
  const bench = { drawing: 0, sent: [], shown: [], errors: [], answers: [] };
  bench.changed = makeLoop({
    send: () => {
      const { drawing } = bench;
      bench.sent.push(drawing);
      return new Promise((resolve) => {
        bench.answers.push((answer = {}) => resolve({ drawing, ...answer }));
      });
    },
    maxInFlight: () => maxInFlight,
    show: ({ drawing }) => Promise.resolve(bench.shown.push(drawing)),
    showError: ({ error }) => bench.errors.push(error),
  });
  bench.draw = (drawing) => {
    bench.drawing = drawing;
    bench.changed();
  };
  return bench;
}

Deno.test("the newest drawing is sent next, and the last one is always sent", async () => {
  const bench = makeBench();
  for (const drawing of [1, 2, 3]) bench.draw(drawing);
  assert.deepEqual(bench.sent, [1]);
  bench.answers[0]();
  await settle();
  assert.deepEqual(bench.sent, [1, 3]);
  bench.answers[1]();
  await settle();
  assert.deepEqual(bench.sent, [1, 3]); // nothing has changed
  assert.deepEqual(bench.shown, [1, 3]);
});

Deno.test("no more than the maximum of requests is in flight", async () => {
  const bench = makeBench(3);
  for (const drawing of [1, 2, 3, 4, 5]) bench.draw(drawing);
  assert.deepEqual(bench.sent, [1, 2, 3]);
  bench.answers[0]();
  await settle();
  assert.deepEqual(bench.sent, [1, 2, 3, 5]);
});

Deno.test("a superseded answer is neither shown nor an error", async () => {
  const bench = makeBench(2);
  bench.draw(1);
  bench.draw(2);
  bench.answers[0]({ superseded: true });
  bench.answers[1]();
  await settle();
  assert.deepEqual(bench.shown, [2]);
  assert.deepEqual(bench.errors, []);
});

Deno.test("a failed request is retried with growing pauses, one at a time", async () => {
  const timers = useFakeTimers();
  try {
    const bench = makeBench(2);
    bench.draw(1);
    bench.draw(2);
    bench.answers[0]({ error: "away" });
    bench.answers[1]({ error: "away" });
    await settle();
    const pauses = [];
    for (let failure = 0; failure < 6; failure++) {
      assert.equal(timers.pending().length, 1);
      pauses.push(timers.pending()[0]);
      bench.draw(3); // sends nothing during the pause
      assert.equal(bench.sent.length, 2 + failure);
      timers.fire();
      await settle();
      bench.answers.at(-1)({ error: "away" });
      await settle();
    }
    const limits = [400, 800, 1600, 1600, 1600, 1600];
    pauses.forEach((ms, i) => assert.ok(ms >= limits[i] / 2 && ms <= limits[i], `${pauses}`));
    timers.fire();
    await settle();
    bench.answers.at(-1)();
    await settle();
    assert.deepEqual(bench.shown, [3]);
  } finally {
    timers.restore();
  }
});

Deno.test("a final error is not retried until the drawing changes", async () => {
  const bench = makeBench();
  bench.draw(1);
  bench.answers[0]({ error: "no", final: true });
  await settle();
  assert.deepEqual(bench.sent, [1]);
  bench.draw(2);
  assert.deepEqual(bench.sent, [1, 2]);
});

Deno.test("a rejected request does not end the loop", async () => {
  const sent = [];
  const changed = makeLoop({
    send: () => {
      sent.push(sent.length);
      return sent.length === 1 ? Promise.reject(new Error("a defect")) : new Promise(() => {});
    },
    maxInFlight: () => 1,
    show: () => Promise.resolve(),
    showError: () => {},
  });
  const failed = new Promise((resolve) => {
    addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      resolve();
    }, { once: true });
  });
  changed();
  await failed;
  changed();
  assert.deepEqual(sent, [0, 1]);
});

Deno.test("a requester handles the newest question, and none after a null", async () => {
  const handled = [];
  const answers = [];
  const request = makeRequester(
    () => new Promise((resolve) => answers.push(resolve)),
    (question) => handled.push(question),
  );
  request("a");
  request("b");
  request("c");
  answers[0]({});
  await settle();
  assert.equal(answers.length, 2); // b was never sent
  request(null);
  answers[1]({});
  await settle();
  assert.deepEqual(handled, ["a"]);
});

import assert from "node:assert/strict";
import { makeAsker, makeLoop } from "../../demo/xray/scripts/loop.js";
import { settle, stopTheClock } from "./clock.js";

// A loop whose answers the test gives, in the order of asking unless it says otherwise.
function makeBench(mostUnderWay = 1) {
  const bench = { drawing: 0, asked: [], shown: [], complaints: [], answers: [] };
  bench.changed = makeLoop({
    ask: () => {
      const { drawing } = bench;
      bench.asked.push(drawing);
      return new Promise((resolve) => {
        bench.answers.push((answer = {}) => resolve({ drawing, ...answer }));
      });
    },
    mostUnderWay: () => mostUnderWay,
    show: ({ drawing }) => Promise.resolve(bench.shown.push(drawing)),
    complain: ({ error }) => bench.complaints.push(error),
  });
  bench.draw = (drawing) => {
    bench.drawing = drawing;
    bench.changed();
  };
  return bench;
}

Deno.test("the newest drawing is asked next, and the last one always is", async () => {
  const bench = makeBench();
  for (const drawing of [1, 2, 3]) bench.draw(drawing);
  assert.deepEqual(bench.asked, [1]);
  bench.answers[0]();
  await settle();
  assert.deepEqual(bench.asked, [1, 3]);
  bench.answers[1]();
  await settle();
  assert.deepEqual(bench.asked, [1, 3]); // nothing has changed
  assert.deepEqual(bench.shown, [1, 3]);
});

Deno.test("as many are under way as the way is worth, and no more", async () => {
  const bench = makeBench(3);
  for (const drawing of [1, 2, 3, 4, 5]) bench.draw(drawing);
  assert.deepEqual(bench.asked, [1, 2, 3]);
  bench.answers[0]();
  await settle();
  assert.deepEqual(bench.asked, [1, 2, 3, 5]);
});

Deno.test("one that has been superseded is neither shown nor complained of", async () => {
  const bench = makeBench(2);
  bench.draw(1);
  bench.draw(2);
  bench.answers[0]({ superseded: true });
  bench.answers[1]();
  await settle();
  assert.deepEqual(bench.shown, [2]);
  assert.deepEqual(bench.complaints, []);
});

Deno.test("a failure is asked again, ever later, and by one alone", async () => {
  const clock = stopTheClock();
  try {
    const bench = makeBench(2);
    bench.draw(1);
    bench.draw(2);
    bench.answers[0]({ error: "away" });
    bench.answers[1]({ error: "away" });
    await settle();
    const pauses = [];
    for (let failure = 0; failure < 6; failure++) {
      assert.equal(clock.waits().length, 1);
      pauses.push(clock.waits()[0]);
      bench.draw(3); // drawing on asks nothing meanwhile
      assert.equal(bench.asked.length, 2 + failure);
      clock.wake();
      await settle();
      bench.answers.at(-1)({ error: "away" });
      await settle();
    }
    const most = [400, 800, 1600, 1600, 1600, 1600];
    pauses.forEach((ms, i) => assert.ok(ms >= most[i] / 2 && ms <= most[i], `${pauses}`));
    clock.wake();
    await settle();
    bench.answers.at(-1)();
    await settle();
    assert.deepEqual(bench.shown, [3]);
  } finally {
    clock.restart();
  }
});

Deno.test("what is refused for good is asked again only when it has changed", async () => {
  const bench = makeBench();
  bench.draw(1);
  bench.answers[0]({ error: "no", final: true });
  await settle();
  assert.deepEqual(bench.asked, [1]);
  bench.draw(2);
  assert.deepEqual(bench.asked, [1, 2]);
});

Deno.test("a question that fails altogether does not end the loop", async () => {
  const asked = [];
  const changed = makeLoop({
    ask: () => {
      asked.push(asked.length);
      return asked.length === 1 ? Promise.reject(new Error("a defect")) : new Promise(() => {});
    },
    mostUnderWay: () => 1,
    show: () => Promise.resolve(),
    complain: () => {},
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
  assert.deepEqual(asked, [0, 1]);
});

Deno.test("an asker tells the last question's answer, and none once nothing is wanted", async () => {
  const told = [];
  const answers = [];
  const ask = makeAsker(
    () => new Promise((resolve) => answers.push(resolve)),
    (question) => told.push(question),
  );
  ask("a");
  ask("b");
  ask("c");
  answers[0]({});
  await settle();
  assert.equal(answers.length, 2); // b was never asked
  ask(null);
  answers[1]({});
  await settle();
  assert.deepEqual(told, ["a"]);
});

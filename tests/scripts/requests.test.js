import assert from "node:assert/strict";
import { makeRequests } from "../../demo/xray/scripts/requests.js";
import { makeState } from "../../demo/xray/scripts/state.js";
import { settle } from "./clock.js";

// A pad whose drawing the test sets, and a server whose answers it gives.
function makeBench() {
  const bench = { asked: [], answers: [], state: makeState(), ink: 1 };
  const server = {
    ask: (name) => {
      bench.asked.push(name);
      return new Promise((resolve) => bench.answers.push(resolve));
    },
  };
  const picture = () => Promise.resolve({ content: Uint8Array.of(bench.ink), version: null });
  bench.requests = makeRequests(new EventTarget(), bench.state, server, picture, () => [0, 1]);
  return bench;
}

Deno.test("a drawing that has been read is only painted again", async () => {
  const { requests, answers, asked } = makeBench();
  const first = requests.ask();
  await settle();
  answers[0]({ sheet: "a PNG" });
  await first;
  requests.ask();
  await settle();
  assert.deepEqual(asked, ["predict", "repaint"]);
});

Deno.test("of two drawings under way the server keeps the second", async () => {
  const bench = makeBench();
  const first = bench.requests.ask();
  await settle();
  bench.ink = 2;
  bench.requests.ask();
  await settle();
  bench.answers[0]({ sheet: "a PNG" });
  await first;
  bench.ink = 1; // undone
  bench.requests.ask();
  await settle();
  assert.deepEqual(bench.asked, ["predict", "predict", "predict"]);
});

Deno.test("the server is reminded of A, unless there is none any more", async () => {
  const bench = makeBench();
  bench.state.a = { content: Uint8Array.of(3), version: null };
  const first = bench.requests.ask();
  await settle();
  bench.answers[0]({ reference_expired: true });
  await settle();
  bench.answers[1]({ best: null });
  await settle();
  bench.answers[2]({ sheet: "a PNG" });
  assert.equal((await first).sheet, "a PNG");
  assert.deepEqual(bench.asked, ["predict", "keep", "predict"]);
  bench.state.a = null;
  bench.ink = 2;
  const second = bench.requests.ask();
  await settle();
  bench.answers[3]({ reference_expired: true });
  assert.match((await second).error, /no longer has/);
});

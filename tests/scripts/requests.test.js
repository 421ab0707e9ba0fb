import assert from "node:assert/strict";
import { makeRequests } from "../../demo/xray/scripts/requests.js";
import { makeState } from "../../demo/xray/scripts/state.js";
import { settle } from "./clock.js";

// A pad whose ink the test sets, and a server whose answers it gives.
function makeBench() {
  const bench = { sent: [], answers: [], state: makeState(), ink: 1 };
  const server = {
    request: (name) => {
      bench.sent.push(name);
      return new Promise((resolve) => bench.answers.push(resolve));
    },
  };
  const getPicture = () => Promise.resolve({ content: Uint8Array.of(bench.ink), version: null });
  bench.requests = makeRequests(new EventTarget(), bench.state, server, getPicture, () => [0, 1]);
  return bench;
}

Deno.test("a predicted drawing is only repainted", async () => {
  const { requests, answers, sent } = makeBench();
  const first = requests.predict();
  await settle();
  answers[0]({ sheet: "a PNG" });
  await first;
  requests.predict();
  await settle();
  assert.deepEqual(sent, ["predict", "repaint"]);
});

Deno.test("of two drawings in flight the server caches the second", async () => {
  const bench = makeBench();
  const first = bench.requests.predict();
  await settle();
  bench.ink = 2;
  bench.requests.predict();
  await settle();
  bench.answers[0]({ sheet: "a PNG" });
  await first;
  bench.ink = 1; // undo
  bench.requests.predict();
  await settle();
  assert.deepEqual(bench.sent, ["predict", "predict", "predict"]);
});

Deno.test("an expired reference is sent again, unless there is none any more", async () => {
  const bench = makeBench();
  bench.state.reference = { content: Uint8Array.of(3), version: null };
  const first = bench.requests.predict();
  await settle();
  bench.answers[0]({ reference_expired: true });
  await settle();
  bench.answers[1]({ best: null });
  await settle();
  bench.answers[2]({ sheet: "a PNG" });
  assert.equal((await first).sheet, "a PNG");
  assert.deepEqual(bench.sent, ["predict", "keep", "predict"]);
  bench.state.reference = null;
  bench.ink = 2;
  const second = bench.requests.predict();
  await settle();
  bench.answers[3]({ reference_expired: true });
  assert.match((await second).error, /no longer has/);
});

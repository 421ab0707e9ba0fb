import assert from "node:assert/strict";
import { bestTry, forgetTry, keepTry } from "../../demo/xray/scripts/best_tries.js";
import {
  changeOfInk,
  countPieces,
  isBetter,
  judge,
  parseChallenge,
} from "../../demo/xray/scripts/challenge_rules.js";

const draw = (...rows) =>
  Uint8Array.from(rows.join(""), (pixel) => ({ ".": 0, "-": 100, "#": 255 })[pixel]);

Deno.test("a challenge is named by two digits or as nonsense", () => {
  assert.deepEqual(parseChallenge("7-1"), { name: "7-1", from: 7, to: 1 });
  assert.deepEqual(parseChallenge("nonsense"), { name: "nonsense" });
  for (const name of ["7-7", "17-1", "7", "", null, "a-b", "__proto__"]) {
    assert.equal(parseChallenge(name), null);
  }
});

Deno.test("ink that is added and ink that is erased both count", () => {
  const start = draw("##", "..");
  assert.equal(changeOfInk(start, draw("##", "..")), 0);
  assert.equal(changeOfInk(start, draw("#.", "..")), 0.5);
  assert.equal(changeOfInk(start, draw("#.", "#.")), 1);
  assert.equal(changeOfInk(start, draw("##", "-.")), 100 / 510);
  assert.equal(changeOfInk(draw("..", ".."), start), 0);
});

Deno.test("pieces that touch at a corner are one", () => {
  assert.equal(countPieces(draw("....", "....", "....", "....")), 0);
  assert.equal(countPieces(draw("#...", ".#..", "..#.", "...#")), 1);
  assert.equal(countPieces(draw("#..#", "....", "....", "#..#")), 4);
  assert.equal(countPieces(draw("####", "#..#", "#..#", "####")), 1);
  assert.equal(countPieces(draw("#-#.", "....", ".#..", "....")), 3); // faint ink joins nothing
  assert.equal(countPieces(draw("...#", "#...", "...#", "#...")), 4); // rows do not wrap around
});

const answer = (index, value, sure = value >= 0.9) => ({
  best: { index, label: String(index), value },
  sure,
  scores: Array.from({ length: 10 }, (_, i) => ({ index: i, value: i === index ? value : 0.01 })),
});

Deno.test("a network without a threshold must be sure by the rule", () => {
  const start = draw("##", "##");
  const state = (value) => judge(parseChallenge("7-1"), answer(7, value, true), null, start).state;
  assert.equal(state(0.5), "no-start");
  assert.equal(state(0.95), "can-start");
  assert.equal(state(12), "no-start"); // a logit
});

Deno.test("a digit is turned into another in steps", () => {
  const challenge = parseChallenge("7-1");
  const start = draw("####", "####", "##..", "....");
  const state = (answer, ink) => judge(challenge, answer, start, ink).state;
  assert.equal(judge(challenge, answer(7, 0.8), null, start).state, "no-start");
  assert.equal(judge(challenge, answer(1, 0.99), null, start).state, "no-start");
  assert.equal(judge(challenge, answer(7, 0.95), null, start).state, "can-start");
  assert.equal(state(answer(7, 0.95), start), "unchanged");
  assert.equal(judge(challenge, answer(7, 0.95), start, start).change, 0);
  const changed = draw("####", "####", "....", "...."); // two of ten pixels
  assert.equal(state(answer(7, 0.95), changed), "unsure");
  assert.equal(state(answer(1, 0.85), changed), "unsure");
  assert.equal(state(answer(2, 0.95), changed), "unsure");
  assert.deepEqual(judge(challenge, answer(1, 0.95), start, changed), {
    state: "won",
    change: 0.2,
    confidence: 0.95,
    figure: 0.2,
  });
  assert.equal(state(answer(1, 0.95), draw("####", "###.", "....", "....")), "won"); // 30%
  assert.equal(state(answer(1, 0.99), draw("####", "##..", "....", "....")), "too-much"); // 40%
});

Deno.test("nonsense needs four pieces and a sure answer", () => {
  const challenge = parseChallenge("nonsense");
  const state = (answer, ink) => judge(challenge, answer, null, ink).state;
  const four = draw("#..#", "....", "....", "#..#");
  assert.equal(state({ best: null, scores: [] }, four), "empty");
  assert.equal(state(answer(5, 0.99), draw("#..#", "....", "....", "#...")), "too-few");
  assert.equal(state(answer(5, 0.89), four), "unsure");
  assert.equal(judge(challenge, answer(5, 0.93), null, four).figure, 0.93);
  assert.equal(state(answer(5, 0.93), four), "won");
});

Deno.test("less change is better, and more confidence", () => {
  assert.ok(isBetter(parseChallenge("7-1"), 0.1, 0.2));
  assert.ok(!isBetter(parseChallenge("7-1"), 0.2, 0.2));
  assert.ok(isBetter(parseChallenge("nonsense"), 0.95, 0.93));
});

// Runs `test` with a storage that holds `content`, and returns what it holds afterwards.
function withStorage(content, test) {
  const storage = { getItem: () => content, setItem: (_, text) => (content = text) };
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
  test(storage);
  return content;
}

const stroke = { size: 0.08, erase: false, points: [[0.5, 0.25], [0.5, 0.75]] };
const kept = { figure: 0.2, start: [stroke], drawing: [stroke, { ...stroke, erase: true }] };

Deno.test("the best try of each challenge is kept, and at most 20 of them", () => {
  const content = withStorage(null, () => {
    assert.equal(bestTry("7-1 mnist 100"), null);
    keepTry("7-1 mnist 100", { ...kept, figure: 0.3 });
    keepTry("nonsense mnist 100", { figure: 0.95, start: [], drawing: [stroke] });
    keepTry("7-1 mnist 100", kept);
    assert.deepEqual(bestTry("7-1 mnist 100"), kept);
    assert.equal(bestTry("7-1 mnist 10"), null); // another version
    forgetTry("7-1 mnist 100");
    assert.equal(bestTry("7-1 mnist 100"), null);
    assert.equal(bestTry("nonsense mnist 100").figure, 0.95);
    for (let version = 1; version <= 20; version++) keepTry(`7-1 mnist ${version}`, kept);
    assert.equal(bestTry("nonsense mnist 100"), null);
  });
  assert.equal(JSON.parse(content).length, 20);
});

Deno.test("a storage that is forbidden, full or holds anything else does no harm", () => {
  const of = "7-1 mnist 100";
  const packed = { of, figure: 0.2, start: "", drawing: "" };
  for (
    const content of [
      ...["{", "7", "null", '[null, 7, {"of": 1}]'],
      ...[{ figure: "1" }, { figure: 1.5 }, { drawing: "%%%" }, { drawing: "gA" }, { start: 7 }]
        .map((fields) => JSON.stringify([{ ...packed, ...fields }])),
    ]
  ) withStorage(content, () => assert.equal(bestTry(of), null, content));
  withStorage(null, (storage) => {
    storage.getItem = storage.setItem = () => {
      throw new DOMException("forbidden", "SecurityError");
    };
    keepTry(of, kept);
    assert.equal(bestTry(of), null);
    forgetTry(of);
  });
});

import assert from "node:assert/strict";
import { makeServer } from "../../demo/xray/scripts/server.js";
import { settle, stopTheClock } from "./clock.js";

globalThis.location = { href: "https://page.example/digits/" };
globalThis.window = { gradio_config: { root: "https://page.example/digits" } };
globalThis.fetch = () => Promise.resolve({ status: 200 });
const PNG = [137, 80, 78, 71, 10, 26, 10];

class FakeSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static all = [];
  readyState = FakeSocket.CONNECTING;
  sent = [];
  constructor(url) {
    this.url = String(url);
    FakeSocket.all.push(this);
  }
  open() {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
  }
  send(message) {
    const end = message.indexOf(10);
    const head = new TextDecoder().decode(end < 0 ? message : message.subarray(0, end));
    this.sent.push({ ...JSON.parse(head), pixels: end < 0 ? null : message.subarray(end + 1) });
  }
  answer(answer, sheet = null) {
    const head = new TextEncoder().encode(JSON.stringify(answer));
    const data = sheet ? Uint8Array.from([...head, 10, ...sheet]) : head;
    this.onmessage({ data: data.buffer });
  }
  close(code = 1006) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose({ code });
  }
}

function makeBench() {
  FakeSocket.all = [];
  globalThis.WebSocket = FakeSocket;
  const calls = [];
  const gradio = {
    ask: (question) => {
      calls.push(question);
      return Promise.resolve(gradio.answer);
    },
    answer: { digit: 3 },
  };
  return { server: makeServer("/xray/live", gradio), gradio, calls };
}

// One whose first connection has failed, so that its question went Gradio's way.
async function makeBenchAfterFailure() {
  const bench = makeBench();
  const asked = bench.server.ask("keep", {});
  FakeSocket.all[0].close();
  await asked;
  return bench;
}

Deno.test("questions go over one connection, and answers to whom they are for", async () => {
  const { server, calls } = makeBench();
  const first = server.ask("predict", { version: 7 }, Uint8Array.of(1, 10, 255));
  const second = server.ask("inspect_unit", { row: 1 });
  const [socket] = FakeSocket.all;
  assert.equal(socket.url, "wss://page.example/digits/xray/live");
  socket.open();
  await settle();
  const [one, two] = socket.sent;
  assert.deepEqual([one.ask, one.version, two.ask, two.row], ["predict", 7, "inspect_unit", 1]);
  assert.deepEqual([...one.pixels], [1, 10, 255]);
  socket.answer({ id: two.id, took: 1, value: 0.5 });
  socket.answer({ id: one.id, took: 5, digit: 3 }, PNG);
  assert.deepEqual(await second, { value: 0.5 });
  const { digit, sheet } = await first;
  assert.equal(digit, 3);
  assert.deepEqual([...new Uint8Array(await sheet.arrayBuffer())], PNG); // line feeds and all
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(calls.length, 0);
});

Deno.test("where none can be had, Gradio's way takes over, and connecting waits", async () => {
  const { server, gradio, calls } = makeBench();
  const asked = server.ask("keep", { version: null }, Uint8Array.of(1, 2));
  FakeSocket.all[0].close();
  assert.deepEqual(await asked, { digit: 3 });
  assert.deepEqual([calls[0].ask, calls[0].content], ["keep", btoa("\x01\x02")]);
  gradio.answer = { sheet: `data:image/png;base64,${btoa(String.fromCharCode(...PNG))}` };
  const { sheet } = await server.ask("repaint", {}); // at once: it is too early to connect again
  assert.equal(sheet.size, PNG.length);
  assert.equal(FakeSocket.all.length, 1);
});

Deno.test("a connection that answers nothing before it ends is none", async () => {
  const { server, calls } = makeBench();
  const asked = server.ask("keep", {}, null);
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].close();
  assert.deepEqual(await asked, { digit: 3 });
  assert.equal(calls.length, 1);
});

Deno.test("one that has answered is made anew at once when it drops", async () => {
  const { server, calls } = makeBench();
  const asked = server.ask("keep", {});
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].answer({ id: FakeSocket.all[0].sent[0].id, took: 1 });
  await asked;
  const lost = server.ask("keep", {});
  await settle();
  FakeSocket.all[0].close();
  assert.match((await lost).error, /lost its server/); // the loop asks again
  server.ask("keep", {});
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(calls.length, 0);
});

Deno.test("a full page is said, and not gone round", async () => {
  const { server, calls } = makeBench();
  const asked = server.ask("keep", {});
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].close(1013);
  const { error, busy } = await asked;
  assert.match(error, /as many visitors as it can take/);
  assert.ok(busy);
  assert.match((await server.ask("keep", {})).error, /as many visitors/); // too early to try again
  assert.equal(calls.length, 0);
});

Deno.test("while one opens after a failure, questions do not wait for it", async () => {
  const clock = stopTheClock();
  try {
    const { server, calls } = await makeBenchAfterFailure();
    clock.pass(60_000);
    assert.deepEqual(await server.ask("keep", {}), { digit: 3 });
    assert.equal(calls.length, 2);
    FakeSocket.all[1].open();
    server.ask("keep", {});
    await settle();
    assert.equal(FakeSocket.all[1].sent.length, 1);
  } finally {
    clock.restart();
  }
});

Deno.test("Gradio's way knows nothing of what was read before a connection", async () => {
  const clock = stopTheClock();
  try {
    const { server, calls } = await makeBenchAfterFailure();
    await server.ask("keep", {});
    clock.pass(60_000);
    await server.ask("keep", {}); // connects meanwhile
    FakeSocket.all[1].open();
    const second = server.ask("keep", {});
    await settle();
    FakeSocket.all[1].answer({ id: FakeSocket.all[1].sent[0].id, took: 1 });
    await second;
    FakeSocket.all[1].close();
    const third = server.ask("repaint", {});
    FakeSocket.all[2].close();
    await third;
    const [one, two, three, four] = calls.map(({ visitor }) => visitor);
    assert.deepEqual([two, three], [one, one]);
    assert.notEqual(four, one);
  } finally {
    clock.restart();
  }
});

Deno.test("an superseded drawing tells nothing of the way's length", async () => {
  const { server } = makeBench();
  const asked = server.ask("predict", {});
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].answer({ id: FakeSocket.all[0].sent[0].id, superseded: true });
  assert.ok((await asked).superseded);
  assert.equal(server.mostUnderWay, 1);
});

Deno.test("a connection that swallows everything is given up in time", async () => {
  const clock = stopTheClock();
  try {
    const { server, calls } = makeBench();
    const never = server.ask("keep", {}); // opens never
    await settle();
    clock.wake(2000);
    assert.deepEqual(await never, { digit: 3 });
    assert.equal(calls.length, 1);
  } finally {
    clock.restart();
  }
});

import assert from "node:assert/strict";
import { makeServer } from "../../demo/xray/scripts/server.js";
import { settle, useFakeTimers } from "./clock.js";

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

// After a failed connection, whose question went through Gradio.
async function makeBenchAfterFailure() {
  const bench = makeBench();
  const answer = bench.server.request("keep", {});
  FakeSocket.all[0].close();
  await answer;
  return bench;
}

Deno.test("questions share a connection, and each gets its own answer", async () => {
  const { server, calls } = makeBench();
  const first = server.request("predict", { version: 7 }, Uint8Array.of(1, 10, 255));
  const second = server.request("inspect_unit", { row: 1 });
  const [socket] = FakeSocket.all;
  assert.equal(socket.url, "wss://page.example/digits/xray/live");
  socket.open();
  await settle();
  const [predict, inspect] = socket.sent;
  assert.deepEqual([predict.ask, predict.version, inspect.ask, inspect.row], [
    "predict",
    7,
    "inspect_unit",
    1,
  ]);
  assert.deepEqual([...predict.pixels], [1, 10, 255]);
  socket.answer({ id: inspect.id, took: 1, value: 0.5 });
  socket.answer({ id: predict.id, took: 5, digit: 3 }, PNG);
  assert.deepEqual(await second, { value: 0.5 });
  const { digit, sheet } = await first;
  assert.equal(digit, 3);
  assert.deepEqual([...new Uint8Array(await sheet.arrayBuffer())], PNG); // which contains line feeds
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(calls.length, 0);
});

Deno.test("without a connection Gradio is used, and reconnecting waits", async () => {
  const { server, gradio, calls } = makeBench();
  const answer = server.request("keep", { version: null }, Uint8Array.of(1, 2));
  FakeSocket.all[0].close();
  assert.deepEqual(await answer, { digit: 3 });
  assert.deepEqual([calls[0].ask, calls[0].content], ["keep", btoa("\x01\x02")]);
  gradio.answer = { sheet: `data:image/png;base64,${btoa(String.fromCharCode(...PNG))}` };
  const { sheet } = await server.request("repaint", {}); // too early to reconnect
  assert.equal(sheet.size, PNG.length);
  assert.equal(FakeSocket.all.length, 1);
});

Deno.test("a connection that closes without an answer counts as failed", async () => {
  const { server, calls } = makeBench();
  const answer = server.request("keep", {}, null);
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].close();
  assert.deepEqual(await answer, { digit: 3 });
  assert.equal(calls.length, 1);
});

Deno.test("a lost connection that has answered is reopened at once", async () => {
  const { server, calls } = makeBench();
  const answer = server.request("keep", {});
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].answer({ id: FakeSocket.all[0].sent[0].id, took: 1 });
  await answer;
  const lost = server.request("keep", {});
  await settle();
  FakeSocket.all[0].close();
  assert.match((await lost).error, /connection to the page server is lost/); // the loop retries
  server.request("keep", {});
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(calls.length, 0);
});

Deno.test("a full page is reported, without trying Gradio", async () => {
  const { server, calls } = makeBench();
  const answer = server.request("keep", {});
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].close(1013);
  const { error, busy } = await answer;
  assert.match(error, /Too many people/);
  assert.ok(busy);
  assert.match((await server.request("keep", {})).error, /Too many people/); // too early to reconnect
  assert.equal(calls.length, 0);
});

Deno.test("after a failure, questions do not wait for the next connection", async () => {
  const timers = useFakeTimers();
  try {
    const { server, calls } = await makeBenchAfterFailure();
    timers.skip(60_000);
    assert.deepEqual(await server.request("keep", {}), { digit: 3 });
    assert.equal(calls.length, 2);
    FakeSocket.all[1].open();
    server.request("keep", {});
    await settle();
    assert.equal(FakeSocket.all[1].sent.length, 1);
  } finally {
    timers.restore();
  }
});

Deno.test("Gradio calls after a connection have a new visitor ID", async () => {
  const timers = useFakeTimers();
  try {
    const { server, calls } = await makeBenchAfterFailure();
    await server.request("keep", {});
    timers.skip(60_000);
    await server.request("keep", {}); // starts to connect as well
    FakeSocket.all[1].open();
    const second = server.request("keep", {});
    await settle();
    FakeSocket.all[1].answer({ id: FakeSocket.all[1].sent[0].id, took: 1 });
    await second;
    FakeSocket.all[1].close();
    const third = server.request("repaint", {});
    FakeSocket.all[2].close();
    await third;
    const visitors = calls.map(({ visitor }) => visitor);
    assert.deepEqual(visitors.slice(1, 3), [visitors[0], visitors[0]]);
    assert.notEqual(visitors[3], visitors[0]);
  } finally {
    timers.restore();
  }
});

Deno.test("a superseded answer does not change the maximum in flight", async () => {
  const { server } = makeBench();
  const answer = server.request("predict", {});
  FakeSocket.all[0].open();
  await settle();
  FakeSocket.all[0].answer({ id: FakeSocket.all[0].sent[0].id, superseded: true });
  assert.ok((await answer).superseded);
  assert.equal(server.maxInFlight, 1);
});

Deno.test("a connection that never opens times out", async () => {
  const timers = useFakeTimers();
  try {
    const { server, calls } = makeBench();
    const first = server.request("keep", {});
    await settle();
    timers.fire(2000);
    assert.deepEqual(await first, { digit: 3 });
    assert.equal(calls.length, 1);
  } finally {
    timers.restore();
  }
});

// All requests to the page server: over a WebSocket (demo/live.py), or as Gradio calls where a proxy
// does not allow one. `request` never rejects: failures are in the answer's `error`.

import { backOff, within } from "./wait.js";

const OPEN_MS = 2000; // timeout for opening a connection
const ANSWER_MS = 5000; // timeout for an answer; the page server's own timeouts are shorter
const RETRY_MS = 1000; // pause before reconnecting, doubled after each failure, up to
const MAX_RETRY_MS = 60_000;
const TRY_AGAIN_LATER = 1013; // WebSocket close code of a full page
const LINE_FEED = 10;
const CHUNK = 2 ** 15; // bytes; the number of arguments of a function is limited
const MAX_IN_FLIGHT = 4; // unanswered predictions
const FRAME_MS = 16; // a server that is faster than a frame counts as this fast
const LOST = {
  error: "The connection to the page server is lost. What you see is kept; the page keeps trying.",
};
const FULL = {
  error: "Too many people are using this page. What you see is kept; the page keeps trying.",
  busy: true,
};
const LOGGED_OUT = {
  error: "Your login has expired. Log in again; your drawing is kept.",
  isLoggedOut: true,
  final: true,
};

export function makeServer(path, gradio) {
  const root = window.gradio_config?.root ?? "";
  const address = new URL(root + path, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  let visitor = makeVisitorId(); // in Gradio calls
  let connection = null;
  let failures = 0; // consecutive connections without an answer
  let retryAt = 0; // in the time of performance.now()
  let isFull = false; // the page rejected the last connection
  let lastId = 0;
  const server = { maxInFlight: 1 };

  function connect() {
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    const pending = new Map(); // request ID -> function that takes the answer
    const opening = { socket, pending, hasAnswered: false };
    opening.opened = new Promise((done) => {
      socket.onopen = done;
      socket.onclose = ({ code }) => {
        if (connection === opening) connection = null;
        isFull = code === TRY_AGAIN_LATER;
        if (!opening.hasAnswered) {
          retryAt = performance.now() + backOff(failures++, RETRY_MS, MAX_RETRY_MS);
        }
        done();
        for (const resolve of pending.values()) resolve(null);
      };
    });
    socket.onmessage = ({ data }) => {
      if (!opening.hasAnswered) visitor = makeVisitorId(); // what Gradio calls cached is outdated
      opening.hasAnswered = true;
      failures = 0;
      const answer = unpack(data);
      pending.get(answer.id)?.(answer);
      pending.delete(answer.id);
    };
    return opening;
  }

  // Waits for the first connection. After a failure it does not wait: Gradio calls are used while a
  // new connection opens.
  async function findConnection() {
    if (!connection && performance.now() >= retryAt) {
      connection = connect();
      const { socket, opened } = connection;
      within(OPEN_MS, opened).then(() => {
        if (socket.readyState === WebSocket.CONNECTING) socket.close();
      });
    }
    const found = connection;
    if (failures === 0) await found?.opened;
    return found?.socket.readyState === WebSocket.OPEN ? found : null;
  }

  async function sendOverSocket({ socket, pending }, question, content) {
    const id = ++lastId;
    const answered = new Promise((resolve) => pending.set(id, resolve));
    const sentAt = performance.now();
    socket.send(pack({ id, ...question }, content));
    const answer = await within(ANSWER_MS, answered);
    if (!answer) socket.close(); // it may be broken without having noticed
    if (!answer || answer.superseded) return answer;
    // More requests in flight are worthwhile while the network takes longer than the server.
    const { id: _, took, ...fields } = answer;
    const ratio = (performance.now() - sentAt) / Math.max(took, FRAME_MS);
    server.maxInFlight = Math.max(1, Math.min(MAX_IN_FLIGHT, Math.round(ratio)));
    return fields;
  }

  // Gradio's call resolves to nothing, without an error, if its server cannot be reached or does not
  // know the visitor.
  async function sendThroughGradio(question, content) {
    server.maxInFlight = 1; // these answers may arrive in another order
    const text = content && { content: toBase64(content) };
    const call = gradio.ask({ visitor, ...question, ...text });
    const answer = await within(ANSWER_MS, call).catch(() => null);
    return answer?.sheet ? { ...answer, sheet: toBlob(answer.sheet) } : answer;
  }

  async function isLoggedOut() {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      return (await fetch(`${root}/config`, { signal })).status === 401;
    } catch {
      return false;
    }
  }

  // `name` is a question of demo/answers.py; `content` is the picture, if it is about one.
  server.request = async (name, fields, content = null) => {
    const question = { ask: name, ...fields };
    const found = await findConnection();
    let answer = found && (await sendOverSocket(found, question, content));
    if (answer === null && isFull) return FULL;
    if (answer === null && !found?.hasAnswered) answer = await sendThroughGradio(question, content);
    return answer ?? ((await isLoggedOut()) ? LOGGED_OUT : LOST);
  };

  return server;
}

const makeVisitorId = () =>
  Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join("-");

function pack(question, content) {
  const head = new TextEncoder().encode(JSON.stringify(question));
  if (!content) return head;
  const message = new Uint8Array(head.length + 1 + content.length);
  message.set(head);
  message[head.length] = LINE_FEED;
  message.set(content, head.length + 1);
  return message;
}

function unpack(data) {
  const bytes = new Uint8Array(data);
  const end = bytes.indexOf(LINE_FEED);
  const head = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  const answer = JSON.parse(head);
  if (end >= 0) answer.sheet = new Blob([bytes.subarray(end + 1)], { type: "image/png" });
  return answer;
}

function toBase64(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + CHUNK));
  }
  return btoa(text);
}

export const fromBase64 = (text) => Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));

// The PNG of a data URL.
export const toBlob = (url) => new Blob([fromBase64(url.split(",")[1])], { type: "image/png" });

// The one place that talks to the page's server: over a WebSocket (demo/live.py), and where none can
// be had, as calls of Gradio's. `ask` never fails: what went wrong is the answer's `error`.

import { backOff, within } from "./wait.js";

const OPEN_MS = 2000; // that a connection may take to open
const PATIENCE_MS = 5000; // for an answer: the page's server answers for the model server in time
const RETRY_MS = 1000; // before another try to connect; twice as long after the next one, up to
const MAX_RETRY_MS = 60_000;
const TRY_AGAIN_LATER = 1013; // a closing code
const LINE_FEED = 10;
const CHUNK = 2 ** 15; // bytes: a function takes only so many arguments
const MAX_UNDER_WAY = 4; // drawings
const FRAME_MS = 16; // the least that one takes as far as that goes
const LOST = { error: "The page has lost its server. What you see is kept; it goes on trying." };
const FULL = {
  error: "The page has as many visitors as it can take. What you see is kept; it goes on trying.",
  busy: true,
};
const LOGGED_OUT = {
  error: "The page asks for your password again. Your drawing is kept, and comes with you.",
  isLoggedOut: true,
  final: true,
};

export function makeServer(path, gradio) {
  const root = window.gradio_config?.root ?? "";
  const address = new URL(root + path, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  let visitor = makeName(); // in calls of Gradio's
  let connection = null;
  let failures = 0; // connections without an answer, one after the other
  let tryAt = 0;
  let isFull = false; // the page had no room for the last connection
  let lastId = 0;
  const server = { mostUnderWay: 1 }; // drawings that are worth sending before one is answered

  function connect() {
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    const waiting = new Map(); // who waits for an answer, by its id
    const made = { socket, waiting, hasAnswered: false };
    made.opened = new Promise((done) => {
      socket.onopen = done;
      socket.onclose = ({ code }) => {
        if (connection === made) connection = null;
        isFull = code === TRY_AGAIN_LATER;
        if (!made.hasAnswered) {
          tryAt = performance.now() + backOff(failures++, RETRY_MS, MAX_RETRY_MS);
        }
        done();
        for (const answer of waiting.values()) answer(null);
      };
    });
    socket.onmessage = ({ data }) => {
      if (!made.hasAnswered) visitor = makeName(); // what Gradio's way has read is outdated now
      made.hasAnswered = true;
      failures = 0;
      const answer = unpack(data);
      waiting.get(answer.id)?.(answer);
      waiting.delete(answer.id);
    };
    return made;
  }

  // The first connection is waited for; after a failure Gradio's way goes on while one opens.
  async function findConnection() {
    if (!connection && performance.now() >= tryAt) {
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

  async function askConnection({ socket, waiting }, question, content) {
    const id = ++lastId;
    const answered = new Promise((resolve) => waiting.set(id, resolve));
    const sentAt = performance.now();
    socket.send(pack({ id, ...question }, content));
    const answer = await within(PATIENCE_MS, answered);
    if (!answer) socket.close(); // which may not have noticed that it is broken
    if (!answer || answer.superseded) return answer;
    // While a drawing is under way others can be, as long as the way takes longer than the reading.
    const { id: _, took, ...told } = answer;
    const times = (performance.now() - sentAt) / Math.max(took, FRAME_MS);
    server.mostUnderWay = Math.max(1, Math.min(MAX_UNDER_WAY, Math.round(times)));
    return told;
  }

  // Gradio answers nothing at all, without an error, when its server cannot be reached or does not
  // know the visitor.
  async function askThroughGradio(question, content) {
    server.mostUnderWay = 1; // these answers may overtake each other
    const text = content && { content: toBase64(content) };
    const asking = gradio.ask({ visitor, ...question, ...text });
    const answer = await within(PATIENCE_MS, asking).catch(() => null);
    return answer?.sheet ? { ...answer, sheet: pictureOf(answer.sheet) } : answer;
  }

  async function isLoggedOut() {
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      return (await fetch(`${root}/config`, { signal })).status === 401;
    } catch {
      return false;
    }
  }

  // `name` is one of demo/answers.py's; `content` is of a picture, where it is about one.
  server.ask = async (name, fields, content = null) => {
    const question = { ask: name, ...fields };
    const found = await findConnection();
    let answer = found && (await askConnection(found, question, content));
    if (answer === null && isFull) return FULL;
    if (answer === null && !found?.hasAnswered) answer = await askThroughGradio(question, content);
    return answer ?? ((await isLoggedOut()) ? LOGGED_OUT : LOST);
  };

  return server;
}

const makeName = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join("-");

function pack(question, content) {
  const head = new TextEncoder().encode(JSON.stringify(question));
  if (!content) return head;
  const message = new Uint8Array(head.length + 1 + content.length);
  message.set(head);
  message[head.length] = LINE_FEED;
  message.set(content, head.length + 1);
  return message;
}

function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

function unpack(data) {
  const bytes = new Uint8Array(data);
  const end = bytes.indexOf(LINE_FEED);
  const head = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  const answer = JSON.parse(head);
  if (end >= 0) answer.sheet = new Blob([bytes.subarray(end + 1)], { type: "image/png" });
  return answer;
}

// The picture in a data URL.
export function pictureOf(url) {
  const bytes = Uint8Array.from(atob(url.split(",")[1]), (byte) => byte.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

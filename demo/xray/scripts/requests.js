// What is asked about the picture that is shown: to have it read, and details of it. The page's server
// keeps what it has read last; where it has forgotten that, it reads it anew.

import { wait } from "./wait.js";

const REREAD_MS = 2000; // that a picture may take to be read anew
const EXPIRED = { error: "The server no longer has this drawing. Draw again." };

// `picture` tells {content, version}, `layers` the numbers of those that are in sight.
export function makeRequests(element, state, server, picture, layers) {
  const askAbout = (name, { content, version }, fields = {}) =>
    server.ask(name, { model: state.model, version, ...fields }, content);
  const isSame = (a, b) =>
    a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
  const isKept = ({ content, version }) =>
    state.cached?.version === version && isSame(state.cached.content, content);

  let lastAsked = 0; // counts pictures
  const requests = { again: () => {} }; // has it read once more; the live loop's

  // The newest picture is read, or, if it has been, only painted again.
  requests.ask = async () => {
    const { style } = state;
    const asked = await picture();
    const how = { style, layers: layers() };
    if (isKept(asked)) {
      const answer = await server.ask("repaint", { model: state.model, ...how });
      if (answer.sheet) return { ...answer, asked: asked.version };
    }
    const turn = ++lastAsked;
    state.cached = null;
    let answer = await askAbout("predict", asked, how);
    if (answer.reference_expired && state.a) { // A, which it is compared with
      const reminded = await askAbout("keep", state.a, { layers: how.layers });
      if (reminded.error) return reminded;
      answer = await askAbout("predict", asked, how);
    }
    if (answer.reference_expired) return EXPIRED;
    if (answer.sheet && turn === lastAsked) state.cached = asked;
    return { ...answer, asked: asked.version };
  };

  requests.keep = (asked) => askAbout("keep", asked, { layers: layers() });
  requests.why = async (label) => askAbout("explain", await picture(), { label });
  requests.take = async (what, version) => {
    const page = location.href.split(/[?#]/)[0];
    return askAbout("download", { ...await picture(), version }, { what, page });
  };

  // A detail of the picture that was read last.
  requests.detail = async (name, fields) => {
    const { model, style } = state;
    const ask = () => server.ask(name, { model, shown: style.shown, ...fields });
    const told = await ask();
    if (!told.expired) return told;
    state.cached = null;
    const isRead = new Promise((done) => element.addEventListener("shown", done, { once: true }));
    requests.again();
    // The live loop says what is the matter where that fails.
    if (!(await Promise.race([isRead, wait(REREAD_MS)]))) return EXPIRED;
    const again = await ask();
    return again.expired ? EXPIRED : again;
  };

  return requests;
}

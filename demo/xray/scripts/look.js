// What is asked about the picture that is shown: to have it read, and details of it. The page's server
// keeps what it has read last; where it has forgotten that, it reads it anew.

import { wait } from "./wait.js";

const REREAD_MS = 2000; // that a picture may take to be read anew
const FORGOTTEN = { error: "The page's server has forgotten what this is about. Draw on." };

// `picture` tells {content, version}, `layers` the numbers of those that are in sight.
export function makeLook(element, state, server, picture, layers) {
  const askAbout = (name, { content, version }, fields = {}) =>
    server.ask(name, { model: state.model, version, ...fields }, content);
  const isSame = (a, b) =>
    a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
  const isKept = ({ content, version }) =>
    state.kept?.version === version && isSame(state.kept.content, content);

  let lastAsked = 0; // counts pictures
  const look = { again: () => {} }; // has it read once more; the live loop's

  // The newest picture is read, or, if it has been, only painted again.
  look.ask = async () => {
    const { style } = state;
    const asked = await picture();
    const how = { style, layers: layers() };
    if (isKept(asked)) {
      const answer = await server.ask("repaint", { model: state.model, ...how });
      if (answer.sheet) return { ...answer, asked: asked.version };
    }
    const turn = ++lastAsked;
    state.kept = null;
    let answer = await askAbout("look_at", asked, how);
    if (answer.lost && state.a) { // A, which it is compared with
      const reminded = await askAbout("keep", state.a, { layers: how.layers });
      if (reminded.error) return reminded;
      answer = await askAbout("look_at", asked, how);
    }
    if (answer.lost) return FORGOTTEN;
    if (answer.sheet && turn === lastAsked) state.kept = asked;
    return { ...answer, asked: asked.version };
  };

  look.keep = (asked) => askAbout("keep", asked, { layers: layers() });
  look.why = async (label) => askAbout("tell_why", await picture(), { label });
  look.take = async (what, version) => {
    const page = location.href.split(/[?#]/)[0];
    return askAbout("take", { ...await picture(), version }, { what, page });
  };

  // A detail of the picture that was read last.
  look.detail = async (name, fields) => {
    const { model, style } = state;
    const ask = () => server.ask(name, { model, shown: style.shown, ...fields });
    const told = await ask();
    if (!told.forgotten) return told;
    state.kept = null;
    const isRead = new Promise((done) => element.addEventListener("shown", done, { once: true }));
    look.again();
    // The live loop says what is the matter where that fails.
    if (!(await Promise.race([isRead, wait(REREAD_MS)]))) return FORGOTTEN;
    const again = await ask();
    return again.forgotten ? FORGOTTEN : again;
  };

  return look;
}

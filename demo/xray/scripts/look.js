// What is asked about the drawing on the pad: to have it read, and details of it. The page's server
// keeps what it has read last; where it has forgotten that, it reads it anew.

import { wait } from "./wait.js";

const REREAD_MS = 2000; // that a drawing may take to be read anew
const FORGOTTEN = { error: "The page's server has forgotten what this is about. Draw on." };

// `drawing` tells {pixels, version}.
export function makeLook(element, state, server, drawing) {
  const askAbout = (name, { pixels, version }, fields = {}) =>
    server.ask(name, { version, ...fields }, pixels);
  const isKept = ({ pixels, version }) =>
    state.kept?.version === version && state.kept.pixels.every((ink, i) => ink === pixels[i]);

  let lastAsked = 0; // counts drawings
  const look = { again: () => {} }; // has it read once more; the live loop's

  // The newest drawing is read, or, if it has been, only painted again.
  look.ask = async () => {
    const { style } = state;
    const asked = drawing();
    if (isKept(asked)) {
      const answer = await server.ask("repaint", { style });
      if (answer.sheet) return { ...answer, asked: asked.version };
    }
    const turn = ++lastAsked;
    state.kept = null;
    let answer = await askAbout("look_at", asked, { style });
    if (answer.lost && state.a) { // A, which it is compared with
      const reminded = await askAbout("keep", state.a);
      if (reminded.error) return reminded;
      answer = await askAbout("look_at", asked, { style });
    }
    if (answer.lost) return FORGOTTEN;
    if (answer.sheet && turn === lastAsked) state.kept = asked;
    return { ...answer, asked: asked.version };
  };

  look.keep = (asked) => askAbout("keep", asked);
  look.why = (digit) => askAbout("tell_why", drawing(), { digit });
  look.take = (what, version) => {
    const page = location.href.split(/[?#]/)[0];
    return askAbout("take", { ...drawing(), version }, { what, page });
  };

  // A detail of the drawing that was read last.
  look.detail = async (name, fields) => {
    const ask = () => server.ask(name, { shown: state.style.shown, ...fields });
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

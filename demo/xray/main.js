// Puts the parts together. Gradio runs these scripts as one function with `element`, `props`,
// `server` and `watch`.

const find = (selector) => element.querySelector(selector);
const xray = find(".xray");
const scores = makeScores(xray);
xray.addEventListener("shown", ({ detail }) => scores.show(detail.answer));
const galleries = makeGalleries(xray, props.image, props.layers);
makeLessons(xray);

function complain({ error, isLoggedOut }) {
  setText(find(".notice span"), error);
  find(".notice .log-in").hidden = !isLoggedOut;
  find(".notice").hidden = false;
  xray.classList.add("away");
}

function show(answer, askedAt) {
  if (!find(".notice").hidden) {
    find(".notice").hidden = true;
    xray.classList.remove("away");
  }
  return galleries.show(answer, askedAt);
}

const REREAD_MS = 2000; // that a drawing may take to be read anew
const FORGOTTEN = { error: "The page's server has forgotten what this is about. Draw on." };

let zoom;
let keys = {}; // what a key does, beside those of an open map
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input:not(.size), select, textarea, [contenteditable]");
  const isSliding = event.target.closest?.(".size") && /^(Arrow|Page|Home|End)/.test(event.key);
  const isHidden = !element.isConnected || !element.offsetParent;
  const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
  // On many keyboards a bracket is typed with AltGr (Control and Alt) or Option (Alt).
  const isTyped = event.altKey && !event.metaKey && ["[", "]"].includes(event.key);
  const isCommand = (event.altKey || event.ctrlKey || event.metaKey) && !isUndo && !isTyped;
  if (isTyping || isSliding || isHidden || isCommand) return;
  const key = event.key.toLowerCase();
  if (zoom.press(event.key)) event.preventDefault();
  else if (key in keys) {
    event.preventDefault();
    keys[key]();
  }
});

if (props.live) startPad();
else {
  zoom = makeZoom(xray, props.layers, galleries);
  watch("value", () => {
    if (props.value?.error) complain(props.value);
    else if (props.value) show(props.value);
  });
}

function startPad() {
  const hint = find(".hint");
  const visitor = Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join("-");
  let isRestoring = false; // a view that an address holds
  let answered = {}; // the drawing whose activations the page's server has kept

  const drawing = () => ({ pixels: pad.pixels(), version: history.version });

  // The newest drawing is read, or, if it has been, only painted again.
  async function ask() {
    const asked = drawing();
    if (asked.pixels === answered.pixels && asked.version === answered.version) {
      const answer = await server.repaint({ visitor, style });
      if (answer?.sheet) return { ...answer, asked: asked.version };
    }
    answered = {};
    let answer = await server.look_at({ visitor, style, ...asked });
    if (answer?.lost) {
      const reminded = await compare.remind();
      if (!reminded || reminded.error) return reminded;
      answer = await server.look_at({ visitor, style, ...asked });
    }
    if (answer?.lost) return FORGOTTEN;
    if (answer?.sheet) answered = asked;
    return answer && { ...answer, asked: asked.version };
  }

  // A detail of the drawing that was read last; where that has been forgotten, it is read anew.
  async function askDetail(askServer, detail) {
    const ask = () => askServer({ visitor, shown: style.shown, ...detail });
    const told = await ask();
    if (!told?.forgotten) return told;
    answered = {};
    const isRead = new Promise((done) => xray.addEventListener("shown", done, { once: true }));
    changed();
    // The live loop says what is the matter where that fails.
    if (!(await Promise.race([isRead, wait(REREAD_MS)]))) return FORGOTTEN;
    const again = await ask();
    return again?.forgotten ? FORGOTTEN : again;
  }

  const changed = makeLoop(ask, showLive, complain);
  const style = makeColours(xray, galleries, () => changed());
  const compare = makeCompare(
    xray,
    style,
    scores,
    (drawing) => server.keep({ visitor, ...drawing }),
    complain,
    () => changed(),
  );
  makeLens(xray, props.layers, props.image, (unit) => askDetail(server.tell_unit, unit));
  zoom = makeZoom(
    xray,
    props.layers,
    galleries,
    (unit) => askDetail(server.take_apart, unit),
    (map) => askDetail(server.tell_likes, map),
  );
  const history = makeHistory(find(".history"), () => {
    answered = {}; // the newest may be another by now
    changed();
  });
  const pad = makePad(find(".pad"), props.side, () => {
    if (hint.hidden === pad.isSample) hint.hidden = !pad.isSample;
    xray.dispatchEvent(new CustomEvent("drawn", { detail: {}, bubbles: true }));
    changed();
    // The drawing is no longer the one that the address holds.
    if (!isRestoring && location.hash) window.history.replaceState(null, "", location.href.split("#")[0]);
  });
  const why = makeWhy(xray, galleries, find(".pad"), ({ digit }) => server.tell_why({ digit, ...drawing() }));
  const tour = makeTour(xray, props.tour);

  function choose(erase) {
    pad.erase = erase;
    find(".pen").setAttribute("aria-pressed", !erase);
    find(".eraser").setAttribute("aria-pressed", erase);
  }

  function resize(by) {
    const size = find(".size");
    size.value = Number(size.value) + by;
    pad.size = size.value / 100;
  }

  function showLive(answer, askedAt) {
    history.follow(answer, answer.asked);
    return show(answer, askedAt);
  }

  async function take(what) {
    const page = location.href.split(/[?#]/)[0];
    const asked = { what, page, pixels: pad.pixels(), version: history.shown() };
    const told = await answerTo(server.take(asked));
    if (told.isLoggedOut) complain(told);
    if (told.error) throw new Error(told.error);
    return told.taken;
  }

  // Puts the view into the address and returns that.
  function linkView() {
    const link = writeLink({ strokes: pad.strokes(), version: history.shown(), ...zoom.opened() });
    window.history.replaceState(null, "", link);
    return link;
  }

  find(".log-in").addEventListener("click", () => {
    linkView();
    location.reload();
  });

  makeTake(find(".take"), {
    link: async () => copy(linkView(), find(".copied")),
    picture: async () => {
      save(await drawPicture(xray, galleries, props.layers), "layer-xray.png");
      return "Saved";
    },
    npz: async () => {
      const bytes = Uint8Array.from(atob(await take("npz")), (byte) => byte.charCodeAt(0));
      save(new Blob([bytes]), "layer-xray.npz");
      return "Saved";
    },
    curl: async () => copy(await take("curl"), find(".copied")),
    python: async () => copy(await take("python"), find(".copied")),
    grpc: async () => copy(await take("grpc"), find(".copied")),
  });

  const sample = (digit) => pad.set(props.samples[digit]);
  keys = {
    p: () => choose(false),
    e: () => choose(true),
    z: pad.undo,
    c: () => pad.set([]),
    "[": () => resize(-1),
    "]": () => resize(1),
    w: why.toggle,
    f: history.play,
    ",": () => history.step(-1),
    ".": () => history.step(1),
  };
  for (let digit = 0; digit < 10; digit++) keys[digit] = () => sample(digit);

  find(".pen").addEventListener("click", keys.p);
  find(".eraser").addEventListener("click", keys.e);
  find(".undo").addEventListener("click", keys.z);
  find(".clear").addEventListener("click", keys.c);
  find(".keep").addEventListener("click", () => compare.keep(drawing()));
  find(".add-up").addEventListener("click", () => {
    zoom.open("logits", why.digit ?? galleries.answer?.digit ?? 0);
  });
  // Open arithmetic of one score gives way to another's.
  element.querySelectorAll(".score").forEach((score, digit) => {
    score.addEventListener("click", () => zoom.opened()?.layer === "logits" && zoom.open("logits", digit));
  });
  find(".size").addEventListener("input", () => resize(0));
  for (const button of element.querySelectorAll(".sample")) {
    button.addEventListener("click", () => sample(button.dataset.digit));
  }
  // Screen readers hear what is read once the pen is up, not all that it was on the way.
  function announce() {
    const { digit = null, sure } = galleries.answer ?? {};
    const reading = sure ? `Read as ${digit}.` : `Not sure; perhaps a ${digit}.`;
    if (!pad.isDown()) setText(find(".announcement"), digit === null ? "" : reading);
  }
  find(".pad").addEventListener("pointerup", announce);
  element.addEventListener("shown", announce);

  resize(0);
  pad.fit();
  let toOpen = null; // the map of a link whose drawing has not been shown yet
  element.addEventListener("shown", () => {
    if (!toOpen) return;
    zoom.open(toOpen.layer, toOpen.map, toOpen.unit);
    toOpen = null;
  });
  function restore(view) {
    history.set(view.version);
    zoom.close();
    toOpen = view.layer && view;
    isRestoring = true;
    pad.set(view.strokes);
    isRestoring = false;
  }

  const view = readLink(location.hash);
  if (view) restore(view);
  else {
    pad.set(props.samples[3], true); // a first visit finds a digit already firing
    if (!remembered()) tour.start();
  }
  addEventListener("hashchange", () => {
    const view = readLink(location.hash);
    if (view) restore(view);
  });
}

// Which model is shown, and what it is: asked of the page's server, told to all parts.

import { make } from "./dom.js";
import { wait } from "./wait.js";

const RETRY_MS = 1000;

// `complain` gets what is wrong meanwhile. The event `described` follows a change.
export function makeNetwork(element, state, server, complain) {
  const chooser = element.querySelector(".models");
  let turn = 0;
  const network = {};

  function adopt(outline) {
    Object.assign(state, { network: outline, model: outline.model, answer: null, cached: null });
    const { kind } = outline.input;
    element.classList.toggle("for-drawing", kind === "drawing");
    element.classList.toggle("for-picture", kind === "picture");
    offer(outline);
    element.dispatchEvent(new CustomEvent("described", { detail: outline }));
  }

  function offer({ model, models, title }) {
    element.querySelector(".model-title").textContent = title;
    element.querySelector(".model").hidden = models.length < 2;
    chooser.replaceChildren(
      ...models.map((name) => make("option", { value: name, selected: name === model }, name)),
    );
  }

  // Asks until there is an answer; a later call takes the place of an earlier one.
  network.load = async (model = state.model, version = null) => {
    const mine = ++turn;
    for (;;) {
      const told = await server.ask("describe", { model, version });
      if (mine !== turn) return false;
      if (!told.error) {
        if (told.identity !== state.network?.identity) adopt(told);
        return true;
      }
      complain(told);
      if (told.isLoggedOut) return false;
      await wait(RETRY_MS);
      if (mine !== turn) return false;
    }
  };

  chooser.addEventListener("change", () => network.load(chooser.value));
  return network;
}

// Loads the description of the chosen model from the page server.

import { emit, make } from "./dom.js";
import { wait } from "./wait.js";

const RETRY_MS = 1000;

// `showError` gets each failed answer.
export function makeNetwork(element, state, server, showError) {
  const select = element.querySelector(".models");
  let lastLoad = 0;
  const network = {};

  function setNetwork(description) {
    const { model, models, title, input: { kind } } = description;
    Object.assign(state, { network: description, model, answer: null, cached: null });
    element.classList.toggle("for-picture", kind === "picture");
    element.querySelector(".model-title").textContent = title;
    element.querySelector(".model-header").hidden = models.length < 2;
    select.replaceChildren(
      ...models.map((name) => make("option", { value: name, selected: name === model }, name)),
    );
    emit(element, "network-loaded", description);
  }

  // Retries until it succeeds or a later call replaces it.
  network.load = async (model = state.model, version = null) => {
    const load = ++lastLoad;
    for (;;) {
      const answer = await server.request("describe", { model, version });
      if (load !== lastLoad) return false;
      if (!answer.error) {
        if (answer.identity !== state.network?.identity) setNetwork(answer);
        return true;
      }
      showError(answer);
      if (answer.isLoggedOut) return false;
      await wait(RETRY_MS);
      if (load !== lastLoad) return false;
    }
  };

  select.addEventListener("change", () => network.load(select.value));
  return network;
}

// What is wrong at the moment, over the galleries, which are dimmed meanwhile.

import { setText } from "./text.js";

export function makeNotice(element) {
  const box = element.querySelector(".notice");
  return {
    tell({ error, isLoggedOut }) {
      setText(box.querySelector("span"), error);
      box.querySelector(".log-in").hidden = !isLoggedOut;
      box.hidden = false;
      element.classList.add("away");
    },
    clear() {
      if (box.hidden) return;
      box.hidden = true;
      element.classList.remove("away");
    },
  };
}

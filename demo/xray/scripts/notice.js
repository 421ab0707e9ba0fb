// Shows the current error over the galleries, which are dimmed meanwhile.

import { errorText } from "./language.js";
import { setText } from "./text.js";

export function makeNotice(element) {
  const box = element.querySelector(".notice");
  return {
    show({ error, isLoggedOut }) {
      setText(box.querySelector("span"), errorText({ error }));
      box.querySelector(".log-in").hidden = !isLoggedOut;
      box.hidden = false;
      element.classList.add("outdated");
    },
    clear() {
      if (box.hidden) return;
      box.hidden = true;
      element.classList.remove("outdated");
    },
  };
}

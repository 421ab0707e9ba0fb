// The choice of the page's language. Another language reloads the page, which keeps the drawing.

import { make } from "./dom.js";
import { language, LANGUAGES, storeLanguage } from "./language.js";

export function makeLanguageChoice(element, addressBar) {
  const select = element.querySelector(".language");
  select.replaceChildren(
    ...Object.entries(LANGUAGES).map(([code, name]) =>
      make("option", { value: code, lang: code, selected: code === language }, name)
    ),
  );
  select.addEventListener("change", () => {
    const isStored = storeLanguage(select.value);
    addressBar.update(isStored ? null : select.value);
    location.reload();
  });
}

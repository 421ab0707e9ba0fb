// The visitor's language: the page's texts, and its formats of numbers.
//
// The English text is the key of its translation in demo/xray/texts; en.json has plural forms only.
// The page loads this module before Gradio (demo/page_language.py).

const STORED = "layer-xray-language"; // key in localStorage
// Formats of numbers that are not the language's own: the network's digits are 0 to 9, so the page's
// are too; the texts are in the Portuguese of Portugal.
const LOCALES = { ar: "ar-u-nu-latn", pt: "pt-PT" };
const GRADIO_LOCALES = { zh: "zh-CN" }; // where Gradio's code for a language differs
const LOAD_MS = 10_000; // timeout for the texts

export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  fr: "Français",
  es: "Español",
  pt: "Português",
  ar: "العربية",
  zh: "中文",
  ja: "日本語",
};

const codeOf = (tag) => {
  const code = tag?.toLowerCase().split("-")[0];
  return Object.hasOwn(LANGUAGES, code) ? code : undefined;
};

// The language that the page's link names; undefined if it names none.
export const linkedLanguage = () =>
  codeOf(new URLSearchParams(globalThis.location?.hash.slice(1)).get("language"));

// The language of the link, the one chosen earlier on this device, or the browser's.
const findLanguage = () =>
  linkedLanguage() ??
    [readStored(), ...(navigator.languages ?? [])].map(codeOf).find(Boolean) ??
    "en";

// A browser may forbid localStorage; then a choice lasts until the page is closed.
function readStored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

export function storeLanguage(code) {
  try {
    localStorage.setItem(STORED, code);
    return true;
  } catch {
    return false;
  }
}

async function loadTexts(code) {
  try {
    const signal = AbortSignal.timeout(LOAD_MS);
    const response = await fetch(new URL(`texts/${code}.json`, import.meta.url), { signal });
    return await response.json();
  } catch {
    return {}; // English
  }
}

export const language = findLanguage();
export const direction = language === "ar" ? "rtl" : "ltr";
const locale = LOCALES[language] ?? language;
if (globalThis.document) {
  Object.assign(document.documentElement, { lang: language, dir: direction });
  // Gradio's own words are in the language that it finds here.
  const value = GRADIO_LOCALES[language] ?? language;
  if (navigator.language.split("-")[0] !== value) {
    Object.defineProperty(navigator, "language", { value });
  }
}
const texts = globalThis.document ? await loadTexts(language) : {};
const plurals = new Intl.PluralRules(locale);

// Keeps a name or a number from being mixed into Arabic from right to left, by Unicode's isolates.
const isolate = (value) => (direction === "rtl" ? `\u2068${value}\u2069` : value);

// The translation of an English text, with values for its placeholders in braces. The value `count`
// chooses between plural forms.
export function t(text, values = {}) {
  const found = texts[text] ?? text;
  const form = typeof found === "string" ? found : found[plurals.select(values.count)];
  return form.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name] ?? placeholder;
    return isolate(typeof value === "number" ? formatNumber(value) : value);
  });
}

// An answer's error. What only the server can say stays English.
export function errorText({ error }) {
  if (language === "en" || error in texts) return t(error);
  return t("The server says, in English: {message}", { message: error });
}

const numberFormats = new Map(); // by style and number of decimals

function format(style, number, decimals) {
  const key = `${style} ${decimals}`;
  if (!numberFormats.has(key)) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    numberFormats.set(key, new Intl.NumberFormat(locale, { style, ...digits }));
  }
  return numberFormats.get(key).format(number);
}

export const formatNumber = (number, decimals = 0) => format("decimal", number, decimals);
export const formatPercent = (fraction, decimals = 0) => format("percent", fraction, decimals);

const ATTRIBUTES = ["title", "aria-label", "alt"];

// Translates the texts of the template.
export function translateTemplate(root) {
  Object.assign(root, { lang: language, dir: direction });
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { currentNode: node } = walker;
    const english = node.data.trim();
    if (english) node.data = node.data.replace(english, () => t(english));
  }
  for (const name of ATTRIBUTES) {
    for (const element of root.querySelectorAll(`[${name}]`)) {
      element.setAttribute(name, t(element.getAttribute(name)));
    }
  }
}

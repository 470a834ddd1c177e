/** A word that not everybody knows, with a mark that leads to what it means. */
import { html } from "../vendor/htm-preact.js";
import { fill, t } from "../core/strings.js";

/** `of` is its name in the glossary, `text` what is to be read here; pointing at the mark tells the engineers' word. */
export function Term({ of, text = t.words.list[of].word }) {
  const { engineers, means } = t.words.list[of];
  return html`${text} <a class="term" href=${`/console/words#${of}`} title=${engineers ? `${engineers}: ${means}` : means}
    aria-label=${fill(t.words.what, { word: text })}>?</a>`;
}

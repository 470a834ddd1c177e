/** A verdict, told by word, shape and colour. */
import { html } from "../vendor/htm-preact.js";
import { t } from "../core/strings.js";

const SHAPES = {
  defect: html`<path d="M10 2h12l8 8v12l-8 8H10l-8-8V10z" /><path class="mark" d="M10 10l12 12M22 10L10 22" />`,
  good: html`<circle cx="16" cy="16" r="14" /><path class="mark" d="M9 16l5 6 9-11" />`,
  none: html`<circle cx="16" cy="16" r="14" /><path class="mark" d="M10 16h12" />`,
};

/** `verdict` is "defect", "good" or "none"; `size` is "small", or "large" for two metres. */
export function Verdict({ verdict, size = "small" }) {
  return html`<span class=${`verdict ${verdict} ${size}`}>
    <svg viewBox="0 0 32 32" aria-hidden="true">${SHAPES[verdict]}</svg>
    <span>${t.verdict[verdict]}</span>
  </span>`;
}

/** The verdict of `anomalous`, which is null where there is no answer. */
export const verdictOf = (anomalous) => (anomalous === null || anomalous === undefined ? "none" : anomalous ? "defect" : "good");

/** How something is, as a light: told by shape and word, and by colour beside them. */
import { html } from "../../vendor/htm-preact.js";

const SHAPES = {
  good: html`<circle cx="16" cy="16" r="14" /><path class="mark" d="M9 16l5 6 9-11" />`,
  near: html`<path d="M16 1l15 28H1z" /><path class="mark" d="M16 11v9M16 23v3" />`,
  defect: html`<path d="M10 2h12l8 8v12l-8 8H10l-8-8V10z" /><path class="mark" d="M16 7v11M16 22v3" />`,
  quiet: html`<circle cx="16" cy="16" r="14" /><path class="mark" d="M10 16h12" />`,
};
const VERDICTS = { good: "good", near: "undecided", defect: "defect", quiet: "none" };

/** `tone` is "good", "near", "defect" or "quiet"; `size` is "small", or "large" for two metres. */
export function Light({ tone, size = "small", children }) {
  return html`<span class=${`verdict ${VERDICTS[tone]} ${size}`}>
    <svg viewBox="0 0 32 32" aria-hidden="true">${SHAPES[tone]}</svg><span>${children}</span></span>`;
}

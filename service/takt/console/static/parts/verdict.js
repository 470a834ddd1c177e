/** A verdict, told by word, shape and colour. */
import { html } from "../vendor/htm-preact.js";
import { t } from "../core/strings.js";

const SHAPES = {
  defect: html`<path d="M10 2h12l8 8v12l-8 8H10l-8-8V10z" /><path class="mark" d="M10 10l12 12M22 10L10 22" />`,
  fault: html`<path d="M10 2h12l8 8v12l-8 8H10l-8-8V10z" /><path class="mark" d="M16 7v11M16 22v3" />`,
  good: html`<circle cx="16" cy="16" r="14" /><path class="mark" d="M9 16l5 6 9-11" />`,
  undecided: html`<path d="M16 1l15 28H1z" /><path class="mark" d="M16 11v9M16 23v3" />`,
  none: html`<circle cx="16" cy="16" r="14" /><path class="mark" d="M10 16h12" />`,
};

/** `verdict` is "defect", "good", "undecided" or "none"; `size` is "small", or "large" for two metres. */
export const Verdict = ({ verdict, size }) => html`<${Sign} look=${verdict} size=${size}>${t.verdict[verdict]}<//>`;

/** Words in the colours of a verdict, its `look`, beside its shape or another one. */
export function Sign({ look, shape = look, size = "small", children }) {
  return html`<span class=${`verdict ${look} ${size}`}>
    <svg viewBox="0 0 32 32" aria-hidden="true">${SHAPES[shape]}</svg><span>${children}</span></span>`;
}

/** The verdict of an answer, of which there may be none; a frame that was passed over says no more than `undecided`. */
export function verdictOf(answer) {
  if (typeof answer?.anomalous !== "boolean") return "none";
  return answer.verdict ?? (answer.undecided ? "undecided" : answer.anomalous ? "defect" : "good");
}

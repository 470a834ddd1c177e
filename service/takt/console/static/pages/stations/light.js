/** How something is, as a light: told by shape and word, and by colour beside them. */
import { html } from "../../vendor/htm-preact.js";
import { Sign } from "../../parts/verdict.js";

const SIGNS = { good: ["good"], near: ["undecided"], defect: ["defect", "fault"], quiet: ["none"] };

/** `tone` is "good", "near", "defect" or "quiet"; `size` is "small", or "large" for two metres. */
export function Light({ tone, size, children }) {
  const [look, shape] = SIGNS[tone];
  return html`<${Sign} ...${{ look, shape, size }}>${children}<//>`;
}

/** The page Learn. */
import { html } from "../../vendor/htm-preact.js";
import { t } from "../../core/strings.js";

/** The page. */
export default function Page() {
  return html`<h1>${t.learn.title}</h1>`;
}

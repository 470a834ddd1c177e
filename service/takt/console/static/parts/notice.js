/** What the console says about itself: problems and notices. */
import { html } from "../vendor/htm-preact.js";
import { useOnline } from "../core/connection.js";
import { when } from "../core/format.js";
import { fill, t } from "../core/strings.js";

/** An error in the server's own words; nothing where there is none. */
export function Problem({ error }) {
  if (!error) return null;
  const id = error.requestId ? fill(t.problem.request, { id: error.requestId }) : "";
  return html`<div class="notice defect" role="alert">
    <strong>${error.title ?? t.problem.title}</strong>
    <p>${error.detail ?? error.message}</p>
    ${id && html`<small>${id}</small>`}
  </div>`;
}

/** A notice; its tone is "quiet", "near" or "defect". */
export function Notice({ tone = "quiet", title, children }) {
  return html`<div class=${`notice ${tone}`} role="status">${title && html`<strong>${title}</strong>`}${children}</div>`;
}

/** While the server does not answer: of when is what stands below. */
export function Former({ at }) {
  return !useOnline() && at && html`<${Notice} tone="near" title=${fill(t.problem.former, { at: when(at) })} />`;
}

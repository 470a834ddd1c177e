/** A version in a word, and where it is shown. */
import { html } from "../../vendor/htm-preact.js";
import { t } from "../../core/strings.js";

/** Whether a version is ready, and why not; a ready one has a reason while its engines are in trouble. */
export function State({ one, active }) {
  const bad = one.state === "failed" || (one.state === "ready" && one.reason);
  return html`<span class=${bad ? "failed" : ""}>${bad ? t.models.states.failed : t.models.states[one.state]}</span>
    ${active && html` <strong class="badge">${t.models.active}</strong>`}
    ${one.reason && html`<div class="reason">${one.reason}</div>`}`;
}

/** The address of a model, or of one of its versions. */
export function addressOf(name, version) {
  return `/console/models/${encodeURIComponent(name)}${version ? `?version=${encodeURIComponent(version)}` : ""}`;
}

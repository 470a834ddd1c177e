/** A server without a model: what to do, and the way there. */
import { html } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { Notice } from "../notice.js";

const LOOK_EVERY_MS = 2000;

/** What a page shows that asks models; where there is none, how the first one comes, until it is there. */
export function NeedsModel({ page, children }) {
  const { data, again } = useFetched((signal) => (may("read") ? call("list_models", { signal }) : Promise.resolve(null)), []);
  // What is fetched from a URL is told on the page Models.
  const none = data?.models.length === 0 && data.source === null;
  useInterval(again, none ? LOOK_EVERY_MS : null);
  if (!none) return children;
  return html`<h1>${t[page].title}</h1>
    <${Notice} title=${t.first.title}><p>${may("operate") ? t.first.about : t.first.ask}</p>
      ${may("operate") && html`<p><a class="button primary" href="/console/learn">${t.first.action}</a></p>`}<//>`;
}

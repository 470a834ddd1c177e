/** The rejects of a shift, which stay until somebody has seen them. */
import { html } from "../../vendor/htm-preact.js";
import { call, url } from "../../core/api.js";
import { count, score, when } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";

const [SHOWN, RECORDED_AFTER_MS, AGAIN_MS] = [12, 1500, 5000];
const l = t.live;

/** The last rejects, each with its inspection once the record has it; `onSeen(id)` takes one away, `onSeen()` all. */
export function Rejects({ rejects, more, onSeen }) {
  return html`<h2 aria-live="polite">${fill(l.rejects, { count: count(rejects.length + more) })}</h2>
    ${rejects.length > 0 && html`<button type="button" class="button" onClick=${() => onSeen()}>${l.allSeen}</button>`}
    <ul class="rejects">${rejects.slice(0, SHOWN).map((one) => html`<${Reject} key=${one.id} ...${one} onSeen=${onSeen} />`)}</ul>
    ${rejects.length > SHOWN && html`<a class="button" href="/console/review?verdict=reject">
      ${fill(l.earlier, { count: count(rejects.length - SHOWN + more) })}</a>`}`;
}

function Reject({ id, at, score: value, onSeen }) {
  const { data, error, again } = useFetched(async (signal) => {
    // The record has it a moment later; of many at once only those are looked for that stay in sight.
    await new Promise((resolve) => setTimeout(resolve, RECORDED_AFTER_MS));
    if (signal.aborted || !may("read")) return null;
    return (await call("list_inspections", { query: { request_id: id, limit: 1 }, signal })).inspections[0];
  }, [id]);
  useInterval(again, data === undefined && !error ? AGAIN_MS : null); // a record may be slow
  const said = fill(l.reject, { score: score(value), when: when(at) });
  const picture = data?.picture && html`<img src=${url("get_thumbnail", { path: { id: data.id } })} alt="" />`;
  return html`<li class="row">
    ${data ? html`<a class="button" href=${`/console/inspection/${data.id}`}>${picture}${said}</a>` : html`<span>${said}</span>`}
    <button type="button" class="button plain" aria-label=${fill(l.seenOf, { reject: said })} onClick=${() => onSeen(id)}>${l.seen}</button>
  </li>`;
}

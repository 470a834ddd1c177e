/** The part that an inspection is a view of: its one result, and its other views. */
import { html } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { percent } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { Problem } from "../../parts/notice.js";
import { PartResult } from "../../parts/multiview/part.js";
import { Table } from "../../parts/table.js";
import { Verdict } from "../../parts/verdict.js";

const { part: words } = t;

/** `row` is an inspection that is a view; every other view leads to its own inspection. */
export function Part({ row: { id, part, part_number: number } }) {
  const { data, error } = useFetched((signal) => call("get_part", { path: { id: part }, query: { number }, signal }), [part, number]);
  const found = data?.part;
  return html`<section class="card"><h2>${fill(words.heading, { part })}</h2>
    <${Problem} error=${error} />
    ${found && html`<${Found} found=${found} id=${id} />`}</section>`;
}

function Found({ found, id }) {
  const { result, views } = found;
  const name = ({ view, inspection_id: to }) =>
    (to && to !== id ? html`<a href=${`/console/inspection/${to}`}>${view}</a>` : to === id ? html`<strong>${view}</strong>` : view);
  const shown = (one) => (one.verdict ? html`<${Verdict} verdict=${one.verdict} />` : words.states[one.state]);
  return html`<p>${result ? html`<${PartResult} result=${result} />` : words.open}</p>
    <${Table} label=${words.views} head=${[words.view, t.facts.verdict, words.scaled]}
      rows=${views.map((one) => [name(one), shown(one), percent(one.scaled, 0)])} />
    <p class="quiet">${fill(words.recipe, found)}</p>`;
}

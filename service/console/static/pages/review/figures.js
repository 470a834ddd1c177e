/** What judgements tell of a model: its mistakes over time, and a threshold with what it would change. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, day, percent, score } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { linkOf } from "./filters.js";

const SHORT = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "short" });
const RATES = ["false_alarms", "slips", "false_reject_rate", "miss_rate"];
const COUNTS = ["true_rejects", "false_rejects", "slips", "true_passes", "unsure"];
const FLIPS = ["flips_good", "flips_defects", "flips_unsure", "flips_all"];
const BOUNDS = [["value", "text"], ["high", "quiet"], ["low", "quiet"]];
const PATH = "/console/review/figures";
const r = t.review;

/** The figures of a view; why pictures were kept is no filter of them, since rates are of all inspections. */
export function Figures({ filters: { kept, ...filters } }) {
  const [per, setPer] = useState("day");
  const [rate, setRate] = useState(RATES[0]);
  const query = { ...filters, per };
  const { data, error } = useFetched((signal) => call("get_confusion", { query, signal }), [JSON.stringify(query)]);
  const buckets = data?.buckets ?? [];
  const begin = (index) => (buckets[index] ? SHORT.format(new Date(buckets[index].since)) : "");
  const of = ([name, tone]) => ({ label: r.bounds[name], tone, values: buckets.map(({ figures }) => figures[rate][name]) });
  const rows = buckets.map(({ since, figures }) => [day(since), ...COUNTS.map((name) => count(figures.counts[name]))]);
  return html`<section class="card">
      <h2>${r.confusion}</h2>
      <div class="row"><${Choice} label=${r.figure} value=${rate} set=${setRate} names=${RATES} texts=${r.rates} />
        <${Choice} label=${r.stretch} value=${per} set=${setPer} names=${["day", "week"]} texts=${r.per} /></div>
      <${Problem} error=${error} />
      ${data && !buckets.length && html`<p class="quiet">${r.nothing}</p>`}
      ${buckets.length > 0 && html`
        <${Chart} label=${r.rates[rate]} x=${buckets.map((_, index) => index)} xLabel=${r.per[per]} series=${BOUNDS.map(of)}
          format=${percent} formatX=${begin} />
        <${Table} label=${r.counts} head=${[r.per[per], ...COUNTS.map((name) => r.counted[name])]} rows=${rows.reverse()} number />
        <${Limits} limits=${data.whole.limits} />`}
    </section>
    <section class="card"><h2>${r.proposed}</h2>
      <${filters.model && filters.version ? Proposed : Versions} filters=${filters} />
    </section>`;
}

function Choice({ label, value, set, names, texts }) {
  return html`<label>${label}<select value=${value} onChange=${(event) => set(event.target.value)}>
    ${names.map((name) => html`<option value=${name}>${texts[name]}</option>`)}
  </select></label>`;
}

/** A threshold is one of a version: which one is asked. */
function Versions({ filters }) {
  const { data, error } = useFetched((signal) => call("list_models", { signal }), []);
  const all = data?.models.flatMap(({ name: model, versions }) => versions.map(({ version }) => ({ model, version })));
  return html`<p>${r.whichVersion}</p><${Problem} error=${error} />
    <div class="row">${all?.map((one) => html`<a class="button" href=${linkOf({ kept: "any", ...filters, ...one }, PATH)}>
      ${one.model} ${one.version}</a>`)}</div>`;
}

function Proposed({ filters }) {
  const { data, error, again } = useFetched((signal) => call("propose_threshold", { query: filters, signal }), [JSON.stringify(filters)]);
  const [asking, setAsking] = useState(false);
  const [done, setDone] = useState(null);
  const path = { name: filters.model, version: filters.version };
  const apply = async (reason) => {
    setDone(await call("set_threshold_of_version", { path, body: { image: data.threshold, reason } }));
    again();
  };
  const bounds = ({ value, low, high }) => `${percent(value)} (${percent(low)} – ${percent(high)})`;
  const values = data && { ...data, threshold: score(data.threshold), now: score(data.in_force) };
  return html`<${Problem} error=${error} />
    ${done && html`<${Notice} title=${fill(r.applied, { threshold: score(done.new.image) })} />`}
    ${data && html`
      <p>${filters.model} ${filters.version}: ${fill(r.proposal, values)}</p>
      <${Table} label=${r.changes} head=${[r.changes, r.toPass, r.toReject]}
        rows=${FLIPS.map((one) => [r[one], count(data[one].to_pass), count(data[one].to_reject)])} number />
      <${Table} label=${r.rated} head=${[r.rated, r.before, r.after]}
        rows=${RATES.map((one) => [r.rates[one], bounds(data.before[one]), bounds(data.after[one])])} number />
      <${Limits} limits=${data.limits} />
      ${may("operate") && html`<button type="button" class="button primary" onClick=${() => setAsking(true)}>${r.apply}</button>`}
      <${ReasonDialog} open=${asking} title=${r.apply} action=${r.apply} onConfirm=${apply} onClose=${() => setAsking(false)}>
        <p>${filters.model} ${filters.version}: ${fill(r.from, values)}</p>
      <//>`}`;
}

function Limits({ limits }) {
  return html`<ul class="quiet">${limits.map((one) => html`<li>${one}</li>`)}</ul>`;
}

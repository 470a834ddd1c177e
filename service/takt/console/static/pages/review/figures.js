/** What judgements tell of a model: its mistakes over time, and a threshold with what it would change. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { apart, count, percent, score } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { Consequence } from "../../parts/threshold/consequence.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { linkOf } from "./filters.js";

const day = (moment) => moment.slice(0, 10); // in UTC, as the API's days are
const BOUNDS = [["value", "text"], ["high", "quiet"], ["low", "quiet"]];
const r = t.review;
const list = (limits) => html`<ul class="quiet">${limits.map((one) => html`<li>${one}</li>`)}</ul>`;

/** The figures of a view; why pictures were kept is no filter of them, since rates are of all inspections. */
export function Figures({ filters: { kept, ...filters } }) {
  const [{ rate, per }, setShown] = useState({ rate: "false_alarms", per: "day" });
  const { data, error } = useFetched((signal) => call("get_confusion", { query: { ...filters, per }, signal }), [per]);
  const buckets = data?.buckets ?? [];
  const begin = (index) => (buckets[index] ? day(buckets[index].since) : "");
  const line = ([name, tone]) => ({ label: r.bounds[name], tone, values: buckets.map(({ figures }) => figures[rate][name]) });
  const row = ({ since, figures }) => [day(since), ...Object.keys(r.counted).map((name) => count(figures.counts[name]))];
  const choice = (name, value, texts) => html`<label>${r.choices[name]}
    <select value=${value} onChange=${({ target }) => setShown({ rate, per, [name]: target.value })}>
      ${Object.entries(texts).map(([one, text]) => html`<option value=${one}>${text}</option>`)}</select></label>`;
  return html`<section class=${data || error ? "card" : "card waiting"}>
      <h2>${r.confusion}</h2>
      <div class="row">${choice("rate", rate, r.rates)}${choice("per", per, r.per)}</div>
      <${Problem} error=${error} />
      ${data && (buckets.length === 0 ? html`<p class="quiet">${r.nothing}</p>` : html`
        ${buckets.every(({ figures }) => figures[rate].value === null) ? html`<p class="quiet">${r.noRate[rate]}</p>` : html`
        <${Chart} label=${r.rates[rate]} x=${buckets.map((_, index) => index)} xLabel=${r.per[per]} series=${BOUNDS.map(line)}
          format=${percent} formatX=${begin} />`}
        <${Table} label=${r.counts} head=${[r.per[per], ...Object.values(r.counted)]} rows=${buckets.map(row).reverse()} number />
        ${list(data.whole.limits)}`)}
    </section>
    <section class="card"><h2>${r.proposed}</h2><${filters.version ? Proposed : Versions} filters=${filters} /></section>`;
}

/** A threshold is one of a version: which one is asked. */
function Versions({ filters }) {
  const { data, error } = useFetched((signal) => call("list_models", { signal }), []);
  const all = data?.models.flatMap(({ name: model, versions }) => versions.map(({ version }) => ({ model, version })));
  return html`<p>${r.whichVersion}</p><${Problem} error=${error} />
    <div class="row">${all?.map((one) => html`<a class="button"
      href=${linkOf({ kept: "any", ...filters, ...one }, "/console/review/figures")}>${one.model} ${one.version}</a>`)}</div>`;
}

function Proposed({ filters }) {
  const [alpha, setAlpha] = useState("");
  const query = { ...filters, alpha: Number(alpha) / 100 || undefined };
  const { data, error, again } = useFetched((signal) => call("propose_threshold", { query, signal }), [alpha]);
  const [asking, setAsking] = useState(false);
  const [done, setDone] = useState(null);
  const { model: name, version } = filters;
  const apply = async (reason) => {
    setDone(await call("set_threshold_of_version", { path: { name, version }, body: { image: data.threshold, reason } }));
    again();
  };
  const bounds = ({ value, low, high }) => `${percent(value)} (${percent(low)} – ${percent(high)})`;
  const flip = ([key, text]) => [text, count(data[key].to_pass), count(data[key].to_reject)];
  const rated = ([key, text]) => [text, bounds(data.before[key]), bounds(data.after[key])];
  const [threshold, now] = apart(data?.threshold, data?.in_force);
  const said = data && fill(r.proposal, { ...data, threshold, now });
  const few = error?.code === "calibration";
  return html`<label class="row-field">${r.alpha}<input type="number" min="0.01" max="50" step="any" placeholder="1" value=${alpha}
      onChange=${({ target }) => setAlpha(target.value)} /></label>
    ${few ? html`<${Notice} tone="near" title=${r.tooFew}><p>${error.detail}</p><p>${r.tooFewDetail}</p><//>` : html`<${Problem} error=${error} />`}
    ${done && html`<${Notice} title=${fill(r.applied, { threshold: score(done.new.image) })} />`}
    ${data && !error && html`<p>${said}</p>
      <${Table} label=${r.changes} head=${[r.changes, r.toPass, r.toReject]} rows=${Object.entries(r.flips).map(flip)} number />
      <${Table} label=${r.rated} head=${[r.rated, r.before, r.after]} rows=${Object.entries(r.rates).map(rated)} number />
      ${list(data.limits)}
      ${may("operate") && html`<button type="button" class="button primary" onClick=${() => setAsking(true)}>${r.apply}</button>`}
      <${ReasonDialog} open=${asking} title=${r.apply} action=${r.apply} onConfirm=${apply} onClose=${() => setAsking(false)}>
        ${asking && html`<${Consequence} path=${{ name, version }} now=${data.in_force} to=${data.threshold} />`}<//>`}`;
}

/** What answers say, in tables. */
import { html } from "../vendor/htm-preact.js";
import { apart, ms, percent, score } from "../core/format.js";
import { fill, t } from "../core/strings.js";
import { Verdict, verdictOf } from "./verdict.js";

const ROWS = {
  verdict: (one) => html`<${Verdict} verdict=${verdictOf(one)} />`,
  score: (one) => apart(one.score, one.threshold)[0],
  threshold: (one) => apart(one.score, one.threshold)[1],
  share: (one) => (one.threshold > 0 ? (one.score / one.threshold).toFixed(2) : "–"),
  percentile: (one) => percent(one.percentile === null ? null : one.percentile / 100),
  count: (one) => one.regions.length,
  engine: (one) => one.engine,
};

/** Verdict, score and times of answers, a column for each. */
export function Facts({ answers }) {
  const row = (label, cell) => html`<tr><th scope="row">${label}</th>
    ${answers.map((one) => html`<td class="number">${cell(one)}</td>`)}</tr>`;
  return html`<table>
      ${answers.length > 1 && html`<thead><tr><td></td>${answers.map(({ model, version }) =>
        html`<th scope="col" class="number">${model}/${version}</th>`)}</tr></thead>`}
      <tbody>${Object.entries(ROWS).map(([name, cell]) => row(t.facts[name], cell))}
        ${Object.entries(t.facts.stages).map(([stage, label]) => row(label, (one) => ms(one.timings_ms[stage])))}</tbody>
    </table>
    ${[...new Set(answers.flatMap(({ warnings }) => warnings))].map((code) => html`<p class="notice near">
      ${t.facts.warning[code] ?? code}</p>`)}`;
}

/** The regions of an answer; a click shows one in the panes of the view. */
export function Regions({ regions, view }) {
  const { selected } = view.use();
  if (!regions.length) return html`<p class="quiet">${t.facts.none}</p>`;
  const choose = (region) => view.change({ selected: region === selected ? null : region });
  const row = (region, number) => {
    const { box: [x, y, width, height], area, peak } = region;
    return html`<tr><td><button type="button" class="button" aria-label=${fill(t.facts.region, { number })} aria-pressed=${region === selected}
        onClick=${() => choose(region)}>${number}</button></td>
      ${[`${x}, ${y}`, `${width} × ${height}`, `${area} px`, score(peak)].map((text) => html`<td class="number">${text}</td>`)}</tr>`;
  };
  return html`<table><caption>${t.facts.regions}</caption>
    <thead><tr>${["number", "place", "size", "area", "peak"].map((name, at) => html`
      <th scope="col" class=${at ? "number" : ""}>${t.facts[name]}</th>`)}</tr></thead>
    <tbody>${regions.map((region, index) => row(region, index + 1))}</tbody></table>`;
}

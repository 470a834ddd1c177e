/** The last results of a station: a strip of shapes, a table of words, and the times against the cycle. */
import { html, useMemo } from "../../vendor/htm-preact.js";
import { ms, score, when } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { ofStation, whyOfPart } from "../../parts/multiview/part.js";
import { Light } from "./light.js";

const TONES = { ok: "good", ng: "defect", no_decision: "near" };
/* A good part is a low bar, a reject a high one, and none a triangle: their heights tell them apart where colours do not. */
const SHAPES = { ok: "M1 21h6v7H1z", ng: "M1 5h6v23H1z", no_decision: "M4 12l4 16H0z" };
const [WIDTH, HEIGHT, PLACES] = [10, 32, 50];
const s = t.stations;

const wordOf = (result) => t.verdict[ofStation({ result }).verdict];
const numberOf = (results) => (name) => results.filter(({ result }) => result === name).length;

/** `results` are those of the API, the newest last, and so is the strip's right end. */
export function Strip({ results }) {
  const [ok, ng, none] = ["ok", "ng", "no_decision"].map(numberOf(results));
  const late = results.filter((one) => one.late !== null).length;
  const key = (name) => html`<span><svg viewBox="0 0 8 32" aria-hidden="true" class=${TONES[name]}><path d=${SHAPES[name]} /></svg>
    ${wordOf(name)}</span>`;
  return html`<figure class="results-strip"><svg viewBox=${`0 0 ${PLACES * WIDTH} ${HEIGHT}`} role="img"
      aria-label=${fill(s.strip, { number: results.length, ok, ng, none, late })}>
      ${results.map((one, at) => html`<g transform=${`translate(${(PLACES - results.length + at) * WIDTH + 1} 0)`}>
        <path class=${TONES[one.result]} d=${SHAPES[one.result]} />${one.late && html`<path class="late" d="M0 30.5h8" />`}</g>`)}
    </svg><figcaption>${Object.keys(TONES).map(key)}<span><svg viewBox="0 0 8 32" aria-hidden="true"><path class="late" d="M0 20h8" /></svg>
      ${s.lateKey}</span></figcaption></figure>`;
}

/** The same in words, the newest first; a part that the server was asked about leads to its inspections. */
export function Results({ results }) {
  const partOf = ({ part, part_id: id }) => (id === null ? part
    : html`<a href=${`/console/review?${new URLSearchParams({ part: id, kept: "all" })}`}>${part}</a>`);
  const notes = (one) => [whyOfPart(ofStation(one)), !one.shown && s.unshown,
    one.late && fill(s.cameLate, { result: wordOf(one.late.result), late: ms(one.late.late_ms) })].filter(Boolean).join("; ");
  const row = (one) => html`<tr key=${`${one.at} ${one.part}`}><th scope="row">${partOf(one)}</th>
    <td><${Light} tone=${TONES[one.result]}>${wordOf(one.result)}<//></td><td>${notes(one)}</td>
    <td class="number">${score(one.score)}</td><td class="number">${ms(one.took_ms)}</td><td>${when(one.at)}</td></tr>`;
  return html`<div class="scrolled results" tabindex="0" role="region" aria-label=${s.last}><table>
    <thead><tr>${s.columns.map((name, at) => html`<th scope="col" class=${at === 3 || at === 4 ? "number" : ""}>${name}</th>`)}</tr></thead>
    <tbody>${results.map(row).reverse()}</tbody></table></div>`;
}

/** From trigger to result, part by part, against the time that there is. */
export function Times({ results, resultMs }) {
  const drawn = useMemo(() => {
    const x = results.map(({ at }) => Date.parse(at) / 1000);
    const late = x.filter((_, at) => results[at].late !== null);
    return {
      x,
      series: [{ label: s.took, tone: "accent", values: results.map((one) => one.took_ms) }],
      lines: [{ at: resultMs, axis: "y", label: s.resultBy, tone: "defect" },
        ...late.map((at) => ({ at, label: s.lateKey, tone: "near" }))],
    };
  }, [JSON.stringify(results), resultMs]);
  return html`<${Chart} label=${s.timesHeading} time ...${drawn} xLabel=${s.columns.at(-1)} format=${ms}
    height=${180} />`;
}

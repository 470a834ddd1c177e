/** What is watched, what models promise, and alarms that call nobody any more. */
import { html } from "../../vendor/htm-preact.js";
import { count, percent, when } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { Table } from "../../parts/table.js";
import { Term } from "../../parts/term.js";
import { movedText } from "../../parts/watching/fact_words.js";
import { placeOf, stationOf } from "./place.js";

const w = t.watch;

/** Every stream, and how small a change of it would be found. */
export function Streams({ watch: { streams, pictures_between: between } }) {
  const finds = ({ calibrated_on: on, least_shift: least }) => (on === null ? w.noFacts
    : least === null ? w.tooFew : fill(w.finds, { deviations: least.deviations.toFixed(1), pictures: least.pictures }));
  const row = (one) => [`${one.model} ${one.version}`, stationOf(one.station), count(one.pictures),
    one.calibrated_on === null ? "–" : fill(w.calibratedOn, { pictures: count(one.calibrated_on) }), finds(one)];
  const [model, station, pictures, usual, found] = w.streamColumns;
  const head = [model, station, pictures, html`<${Term} of="usual" text=${usual} />`, html`<${Term} of="least-shift" text=${found} />`];
  return html`<section class="card"><h2>${w.streams}</h2><${Table} label=${w.streams} head=${head} rows=${streams.map(row)} />
    <p class="quiet">${fill(w.falseAlarms, { pictures: count(between) })} <${Term} of="false-alarm" text="" /></p></section>`;
}

/** What each model rejects beside what it promises. */
export function Promises({ promises }) {
  return promises.length > 0 && html`<section class="card"><h2><${Term} of="promise" text=${w.promises} /></h2>
    ${promises.map((one) => html`<${Promised} key=${`${one.model} ${one.version}`} one=${one} />`)}
    <p class="quiet">${w.unjudged} <${Term} of="between" text="" /></p></section>`;
}

function Promised({ one }) {
  const { model, version, alpha, promise, promised, parts, low, high, broken } = one;
  const figures = new URLSearchParams({ model, version });
  const said = fill(w.between, { low: percent(low).replace(" %", ""), high: percent(high), parts: count(parts) });
  return html`<h3>${model} ${version}</h3>
    ${broken && html`<p class="notice near"><strong>${w.broken}</strong> ${w.brokenDetail}</p>`}
    <p>${said} ${fill(w.promised[promise ?? "unknown"], { alpha: percent(alpha), promised: percent(promised) })}
      ${promise === "measured" && html` <a href=${`/console/review/figures?${figures}`}>${w.figures}</a>`}</p>`;
}

/** Alarms that ended, that somebody took note of, or that sleep. */
export function Past({ alarms }) {
  const row = (one) => [w.causes[one.cause], placeOf(one), html`<a href=${`/console/inspection/${one.since_id}`}>${when(one.since)}</a>`,
    movedText(one.moved[0]), one.ended ? when(one.ended) : w.stands, sayOf(one), one.note];
  return html`<section class="card past"><h2>${w.past}</h2>
    ${alarms.length === 0 ? html`<p class="quiet">${w.noPast}</p>`
      : html`<${Table} label=${w.past} head=${w.pastColumns} rows=${alarms.map(row)} />`}</section>`;
}

function sayOf(one) {
  if (one.acknowledged) return fill(w.by, { who: one.acknowledged_by, when: when(one.acknowledged) });
  return !one.ended && one.snoozed_until ? fill(w.sleeps, { until: when(one.snoozed_until) }) : "–";
}

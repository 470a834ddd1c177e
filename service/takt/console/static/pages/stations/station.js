/** A station at work: how it fares and why, its lights, its last results and their times. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, ms, when } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Former, Notice, Problem } from "../../parts/notice.js";
import { Light } from "./light.js";
import { ChangeRecipe } from "./recipes.js";
import { Results, Strip, Times } from "./results.js";
import { decided, recipeOf, stateOf, whyOf } from "./said.js";

const LOOK_EVERY_MS = 1000;
const s = t.stations;

/** The page of one. */
export function Station({ name }) {
  const { data, at, error, again } = useFetched((signal) => call("get_station", { path: { station: name }, signal }), [name]);
  useInterval(again, LOOK_EVERY_MS);
  const known = error?.code !== "station_not_found" && data?.station;
  return html`<div class="row page-head"><h1>${fill(s.heading, { name })}</h1><a class="button" href="/console/stations">${s.all}</a></div>
    ${error?.code === "station_not_found" ? html`<${Notice} title=${fill(s.noStation, { name })}><p>${s.noStationDetail}</p><//>`
      : html`<${Problem} error=${error} />`}<${Former} at=${at} />
    ${known && html`<${Shown} station=${known} again=${again} />`}`;
}

function Shown({ station, again }) {
  const { results } = station;
  return html`<div class="station-top"><${Standing} station=${station} /><${Recipe} station=${station} again=${again} /></div>
    <${Counted} station=${station} />
    <section class="card"><h2>${s.last}</h2>
      ${results.length === 0 ? html`<p class="quiet">${s.noResults}</p>`
        : html`<${Strip} results=${results} /><${Results} results=${results} />`}</section>
    ${results.length > 0 && html`<section class="card"><h2>${s.timesHeading}</h2>
      <${Times} results=${results} resultMs=${station.result_ms} /></section>`}`;
}

/** The state, large, and why; what it depends on as lights. */
function Standing({ station }) {
  const { tone, word } = stateOf(station);
  const { plc, cameras, server_ready: ready, state } = station;
  const old = state === "silent";
  const light = (well, good, bad) => html`<${Light} tone=${old ? "quiet" : well ? "good" : "near"}>${well ? good : bad}<//>`;
  const heard = !plc.heard_at ? s.neverHeard : plc.connected ? "" : fill(s.heardPlc, { when: when(plc.heard_at) });
  const lights = [
    [s.plc, light(plc.connected, s.connected, s.gone), heard],
    [s.server, light(ready, s.ready, s.notReady), ""],
    ...cameras.map(({ name, well }) => [fill(s.camera, { name }), light(well, s.well, s.unwell), ""]),
  ];
  return html`<section class="card" aria-label=${s.standing}>
    <p class="station-state" role="status"><${Light} tone=${tone} size="large">${word}<//></p>
    ${whyOf(station) && html`<p>${whyOf(station)}</p>`}
    ${old && html`<p class="quiet">${s.before}</p>`}
    <dl class="said">${lights.map(([name, one, more]) => html`<div><dt>${name}</dt>
      <dd>${one}${more && html` <small>${more}</small>`}</dd></div>`)}</dl>
    <p class="quiet">${fill(s.since, { when: when(station.began_at) })}</p></section>`;
}

/** The recipe in force, and the one that somebody wants. */
function Recipe({ station, again }) {
  const [asking, setAsking] = useState(false);
  const { recipe, wish, state } = station;
  const able = may("operate") && state !== "silent";
  return html`<section class="card" aria-label=${s.recipe}><h2>${s.recipe}</h2>
    <p class="station-recipe">${recipeOf(recipe)}</p>
    <div role="status">${(wish || recipe.changing) && html`<p class="notice">
      ${wish ? fill(s.wished, { number: wish.number }) : s.why.changing_recipe}</p>`}</div>
    <p class="quiet">${s.recipeDetail}</p>
    ${able ? html`<button type="button" class="button" onClick=${() => setAsking(true)}>${s.change}</button>`
      : !may("operate") && html`<p class="quiet">${s.lookOnly}</p>`}
    <${ChangeRecipe} open=${asking} station=${station} onClose=${() => (setAsking(false), again())} /></section>`;
}

function Counted({ station: { counts, times, result_ms: result } }) {
  const reasons = Object.entries(counts.no_decision).filter(([, number]) => number > 0);
  const why = reasons.map(([reason, number]) => `${s.reasons[reason]}: ${count(number)}`).join("; ");
  const tiles = [
    [t.verdict.good, count(counts.ok)], [t.verdict.defect, count(counts.ng)],
    [t.verdict.undecided, count(decided(counts).none), why],
    [s.lateVerdicts, count(counts.late), s.lateMeans],
    [s.lost, count(counts.lost), s.lostMeans],
    [s.faults, count(counts.faults)],
    [s.worst, times ? ms(times.worst_ms) : "–", times
      ? fill(s.quantiles, { usual: ms(times.p50_ms), slow: ms(times.p99_ms), result: ms(result) }) : ""],
  ];
  return html`<dl class="tiles">${tiles.map(([name, text, more]) => html`<div class="card"><dt>${name}</dt>
    <dd><strong>${text}</strong>${more && html`<small>${more}</small>`}</dd></div>`)}</dl>`;
}

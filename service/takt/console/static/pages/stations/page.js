/** The page Stations: every station as a light and a word, or one of them at work; and the recipes. */
import { html } from "../../vendor/htm-preact.js";
import { useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { count, ms } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Former, Notice, Problem } from "../../parts/notice.js";
import { Light } from "./light.js";
import { Recipes } from "./recipes.js";
import { addressOf, decided, recipeOf, stateOf, whyOf } from "./said.js";
import { Station } from "./station.js";

const LOOK_EVERY_MS = 2000;
const s = t.stations;

/** The page. */
export default function Page() {
  const { rest: [name] } = useAddress();
  if (!may("read")) return html`<h1>${s.title}</h1><${Notice} title=${s.mayNot} />`;
  return name ? html`<${Station} key=${name} name=${name} />` : html`<${All} />`;
}

function All() {
  const { data, at, error, again } = useFetched((signal) => call("list_stations", { signal }), []);
  useInterval(again, LOOK_EVERY_MS);
  return html`<div class="row page-head"><h1>${s.title}</h1></div>
    <${Problem} error=${error} /><${Former} at=${at} />
    ${data?.stations.length === 0 && html`<${Notice} title=${s.none}>
      <p>${s.noneDetail}</p><pre>${fill(s.noneCommand, { url: location.origin })}</pre><p>${s.noneMore}</p><//>`}
    <div class="stations">${data?.stations.map((one) => html`<${One} key=${one.name} station=${one} />`)}</div>
    ${(data || error) && html`<${Recipes} />`}`; // below the stations, which would push it down
}

function One({ station }) {
  const { tone, word } = stateOf(station);
  const { counts, times, plc } = station;
  const facts = [
    [s.recipe, recipeOf(station.recipe)],
    [s.plc, plc.connected ? s.connected : s.gone],
    [s.partsOf, fill(s.partsSaid, { ok: count(counts.ok), ng: count(counts.ng), none: count(decided(counts).none) })],
    [s.times, times ? fill(s.timesSaid, { slow: ms(times.p99_ms), result: ms(station.result_ms) }) : "–"],
  ];
  return html`<article class="card" aria-label=${station.name}>
    <h2><a href=${addressOf(station.name)}>${station.name}</a></h2>
    <p class="station-state"><${Light} tone=${tone}>${word}<//></p>
    ${whyOf(station) && html`<p>${whyOf(station)}</p>`}
    <dl class="said">${facts.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}</dl></article>`;
}

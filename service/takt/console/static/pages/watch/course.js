/** How a fact has gone at a station, with what people did there; and a way to mark the moment. */
import { html, useMemo, useState } from "../../vendor/htm-preact.js";
import { setQuery, useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { count, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { useReviewer } from "../../parts/judging/said.js";
import { Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { Term } from "../../parts/term.js";
import { FACTS, nameOf, shown, writing } from "../../parts/watching/fact_words.js";
import { placeOf } from "./place.js";

const KINDS = { maintenance: "accent", shift: "quiet" };
const MOMENTS = { since: "near", raised: "defect", ended: "good" };
const SERIES = { median: "accent", high: "quiet", low: "quiet" };
const BETWEEN = [2, 3];
const HEIGHT = 260;
const seconds = (moment) => Date.parse(moment) / 1000;
const w = t.watch;

/** The stream and the fact that the address names; else those of the first alarm that calls, else the first. */
function chosenOf({ streams, calling }, query) {
  const alarm = calling.find((one) => one.cause !== "promise");
  const [model, station] = query.has("model") ? [query.get("model"), query.get("station") ?? ""] : [alarm?.model, alarm?.station];
  const stream = streams.find((one) => one.model === model && one.station === station) ?? streams[0];
  return { stream, fact: query.get("fact") ?? (alarm ? alarm.moved[0].fact : "brightness") };
}

/** The card. */
export function Course({ watch, alarms, marks, changed }) {
  const { query } = useAddress();
  const { stream, fact } = chosenOf(watch, query);
  const { model, version, station, pictures } = stream, asked = JSON.stringify([model, version, station, fact]);
  const { data, error } = useFetched(async (signal) =>
    ({ ...(await call("get_course", { path: { fact }, query: { model, version, station }, signal })), asked }), [asked, pictures]);
  const choose = ({ target }) => {
    const { model: name, station: place } = watch.streams[target.value];
    setQuery({ model: name, station: place, fact });
  };
  const facts = FACTS.includes(fact) ? FACTS : [...FACTS, fact];
  const here = marks.filter((one) => !one.station || one.station === station);
  const found = alarms.filter((one) => one.model === model && (one.station === station || one.cause === "promise"));
  return html`<section class="card course" aria-label=${w.course}><h2><${Term} of="usual" text=${w.course} /></h2>
    <div class="row">
      <label>${w.stream}<select onChange=${choose}>${watch.streams.map((one, at) => html`
        <option value=${at} selected=${one === stream}>${placeOf(one)}</option>`)}</select></label>
      <label>${w.fact}<select onChange=${({ target }) => setQuery({ model, station, fact: target.value })}>${facts.map((one) => html`
        <option value=${one} selected=${one === fact}>${nameOf(one)}</option>`)}</select></label>
    </div>
    <${Problem} error=${error} />
    <div class="course-room">${data?.asked === asked && (data.points.length > 0 ? html`<${Drawn} course=${data} marks=${here} alarms=${found} />`
      : html`<p class="quiet">${w.noCourse}</p>`)}</div>
    ${may("review") && html`<${MarkForm} key=${station} station=${station} stations=${watch.streams.map((one) => one.station)} changed=${changed} />`}
    ${here.length > 0 && html`<details><summary>${fill(w.marks, { number: count(here.length) })}</summary>
      <${Table} label=${w.marksLabel} head=${w.markColumns} rows=${here.map((one) => [
        w.kinds[one.kind], when(one.at), one.station || w.allStations, one.note, one.who])} /></details>`}
  </section>`;
}

function Drawn({ course: { fact, meaning, usual, points, pictures }, marks, alarms }) {
  const drawn = useMemo(() => {
    const x = points.map(({ at }) => seconds(at));
    const series = Object.entries(SERIES).map(([name, tone]) =>
      ({ label: w.series[name], tone, values: points.map(({ spread }) => shown(fact, spread[name])) }));
    return { x, series, ground: usual && { label: w.usual, tone: "good", low: shown(fact, usual.low), high: shown(fact, usual.high) } };
  }, [fact, usual, points]);
  const lines = useMemo(() => [
    ...marks.map((one) => ({ at: seconds(one.at), label: w.kinds[one.kind], tone: KINDS[one.kind] })),
    ...alarms.flatMap((one) => Object.entries(MOMENTS).filter(([name]) => one[name])
      .map(([name, tone]) => ({ at: seconds(one[name]), label: w.moments[name], tone }))),
  ].filter(({ at }) => at >= drawn.x[0]), [JSON.stringify([marks, alarms]), drawn]);
  const values = drawn.series.flatMap((one) => one.values).concat(usual ? [drawn.ground.low, drawn.ground.high] : []);
  const each = Math.ceil(pictures / points.length);
  const format = writing(fact, Math.max(...values) - Math.min(...values));
  return html`<${Chart} label=${fill(w.courseOf, { fact: nameOf(fact) })} time fit ...${drawn} lines=${lines} between=${BETWEEN} height=${HEIGHT}
      xLabel=${w.when} format=${format} />
    <p class="quiet">${fill(each > 1 ? w.courseSaid : w.courseOfEach,
      { fact: nameOf(fact), meaning, pictures: count(pictures), each: count(each) })}</p>`;
}

/** Maintenance or a shift's beginning, now. */
function MarkForm({ station, stations, changed }) {
  const [error, setError] = useState(null);
  const reviewer = useReviewer();
  const mark = async (event) => {
    event.preventDefault();
    const form = event.target;
    const given = Object.fromEntries(new FormData(form));
    await call("mark_line", { body: { ...given, note: given.note.trim(), reviewer } }).then(() => {
      setError(null);
      form.reset();
      changed(w.marked[given.kind]);
    }, setError);
  };
  const places = [...new Set(["", ...stations])];
  return html`<form class="row mark-form" aria-label=${w.mark} onSubmit=${mark}>
    <label>${w.mark}<select name="kind">${Object.keys(KINDS).map((one) => html`<option value=${one}>${w.kinds[one]}</option>`)}</select></label>
    <label>${w.station}<select name="station">${places.map((one) => html`
      <option value=${one} selected=${one === station}>${one || w.allStations}</option>`)}</select></label>
    <label class="mark-note">${w.note}<input name="note" maxlength="500" autocomplete="off" /></label>
    <button class="button">${w.setMark}</button></form>
    <${Problem} error=${error} />`;
}

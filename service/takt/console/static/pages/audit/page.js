/** The page Audit: what was inspected in a time, to take along or to print, and who has changed what. */
import { html, useLayoutEffect, useMemo, useState } from "../../vendor/htm-preact.js";
import { setQuery, useAddress } from "../../core/address.js";
import { call, url } from "../../core/api.js";
import { apart, count, local, MOMENT, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { byOf, ofInspection, PartResult, plcPartOf } from "../../parts/multiview/part.js";
import { Table } from "../../parts/table.js";
import { Verdict, verdictOf } from "../../parts/verdict.js";

const SHOWN = 200;
const HOUR_MS = 3_600_000;
const SHIFT_HOURS = 8;
const MOST_TOLD = 120;
const FORMATS = ["csv", "jsonl"];
const FIELDS = ["since", "until", "station", "verdict"];
const VIEWS = { inspections: Inspections, parts: Parts, changes: Changes };
const { reject, pass, undecided } = t.review.words.verdict;
const VERDICTS = { inspections: { reject, pass, undecided }, parts: { good: t.verdict.good, defect: t.verdict.defect, undecided } };
const a = t.audit;

/** The page. */
export default function Page() {
  const { rest: [named], query } = useAddress();
  const shown = named in VIEWS ? named : query.has("inspection") ? "changes" : "inspections";
  const link = (name) => html`<a class="button" href=${`/console/audit/${name}`} aria-current=${name === shown ? "true" : null}>${a.views[name]}</a>`;
  return html`<div class="row page-head"><h1>${a.title}</h1>
      <div class="chips" role="group" aria-label=${a.shown}>${Object.keys(VIEWS).map(link)}</div></div>
    ${may("read") ? html`<${VIEWS[shown]} key=${shown} query=${query} />` : html`<${Notice} title=${a.mayNot} />`}`;
}

/** What the address asks for; without a time, the last shift. */
function askedOf(query) {
  const given = Object.fromEntries(FIELDS.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  return { since: new Date(hourOf(Date.now()) - (SHIFT_HOURS - 1) * HOUR_MS).toISOString(), ...given };
}

const hourOf = (ms) => Math.floor(ms / HOUR_MS) * HOUR_MS;

/** A moment to the minute, as a field wants it. */
const localOf = (moment) => (moment ? local(moment).slice(0, 16) : "");

function Filters({ asked, fields, verdicts, children }) {
  // What is half typed is no empty field, which would be filled anew under who types.
  const change = (name) => ({ target: { type, value, validity } }) => validity.badInput ||
    setQuery({ [name]: (type === "datetime-local" && value ? new Date(value).toISOString() : value) || null });
  const inputs = {
    since: () => html`<${Field} ...${MOMENT} value=${localOf(asked.since)} onChange=${change("since")} />`,
    until: () => html`<${Field} ...${MOMENT} value=${localOf(asked.until)} onChange=${change("until")} />`,
    station: () => html`<${Field} value=${asked.station ?? ""} maxlength="256" placeholder=${a.any} onChange=${change("station")} />`,
    verdict: () => html`<select onChange=${change("verdict")}>${[["", a.any], ...Object.entries(verdicts)].map(([one, word]) => html`
      <option value=${one} selected=${one === (asked.verdict ?? "")}>${word}</option>`)}</select>`,
  };
  return html`<div class="row card audit-filters">${fields.map((name) => html`<label>${a.fields[name]}${inputs[name]()}</label>`)}
    <div class="row audit-take">${children}</div></div>`;
}

/** A field that keeps what somebody types while the page is drawn anew; another address sets it. */
function Field({ value, ...more }) {
  const [text, setText] = useState(value);
  useLayoutEffect(() => setText(value), [value]); // before the next key, whose digit would be lost
  return html`<input ...${more} value=${text} onInput=${({ target }) => setText(target.value)} />`;
}

const print = () => html`<button type="button" class="button" onClick=${() => window.print()}>${a.print}</button>`;
const took = (operation, query, format) => html`<a class=${format === FORMATS[0] ? "button primary" : "button"} download
  href=${url(operation, { query: { ...query, format } })}>${a.take[format]}</a>`;
const table = (label, head, rows) => html`<div class="audit-table"><${Table} ...${{ label, head, rows }} /></div>`;

function Inspections({ query }) {
  // Once for each address: a shift that goes on is no other question.
  const asked = useMemo(() => askedOf(query), [`${query}`]);
  const { data, error } = useFetched(async (signal) =>
    ({ ...(await call("list_inspections", { query: { ...asked, limit: SHOWN }, signal })), asked }), [asked]);
  const { inspections: found = [], asked: { since, until } = {} } = data ?? {}; // other ones may be on their way, or refused
  const rejected = found.filter(({ anomalous }) => anomalous).length;
  const row = (one) => {
    const [score, threshold] = apart(one.score, one.threshold);
    return [html`<a href=${`/console/inspection/${one.id}`}>${one.id}</a>`, when(one.at), one.station, one.part, plcPartOf(one), one.view,
      one.lot, `${one.model} ${one.version}`, html`<${Verdict} verdict=${verdictOf(one)} />`, byOf(one), score, threshold,
      ofInspection(one) && html`<${PartResult} result=${ofInspection(one)} />`, one.judgement && t.review.words.judgement[one.judgement]];
  };
  return html`<${Filters} asked=${asked} fields=${FIELDS} verdicts=${VERDICTS.inspections}>
      ${FORMATS.map((one) => took("export_inspections", asked, one))}${print()}<//>
    <${Problem} error=${error} />
    ${data && html`<section class="card"><h2>${fill(a.heading, { since: when(since), until: until ? when(until) : a.now })}</h2>
      <p>${found.length === 0 ? a.nothing
        : fill(data.next === null ? a.counted : a.first, { count: count(found.length), rejected: count(rejected) })}</p>
      ${found.length > 0 && table(a.views.inspections, a.columns, found.map(row))}</section>`}`;
}

/** The parts of several views, each with its one result, also those of which no picture came. */
function Parts({ query }) {
  const asked = useMemo(() => askedOf(query), [`${query}`]);
  const { data, error } = useFetched(async (signal) =>
    ({ ...(await call("list_parts", { query: { ...asked, limit: SHOWN }, signal })), asked }), [asked]);
  const { parts = [], asked: { since, until } = {} } = data ?? {};
  const viewOf = ({ view, state, verdict, inspection_id: id }) => {
    const said = fill(t.part.said, { part: view, verdict: verdict ? t.verdict[verdict] : t.part.states[state] });
    return html`<div>${id ? html`<a href=${`/console/inspection/${id}`}>${said}</a>` : said}</div>`;
  };
  const row = ({ result, ...one }) => [one.number, when(result.ended_at), one.station, one.part, plcPartOf(one), one.lot,
    fill(t.part.recipe, one), html`<${PartResult} result=${result} />`, one.views.map(viewOf)];
  return html`<${Filters} asked=${asked} fields=${FIELDS} verdicts=${VERDICTS.parts}>
      ${FORMATS.map((one) => took("export_parts", asked, one))}${print()}<//>
    <${Problem} error=${error} />
    ${data && html`<section class="card"><h2>${fill(a.partsHeading, { since: when(since), until: until ? when(until) : a.now })}</h2>
      ${parts.length === 0 ? html`<p>${a.noPart}</p>` : table(a.views.parts, a.partColumns, parts.map(row))}
      ${parts.length === SHOWN && html`<p>${fill(a.firstParts, { count: count(SHOWN) })}</p>`}</section>`}`;
}

function Changes({ query }) {
  const [earlier, setEarlier] = useState({});
  const before = earlier.of === `${query}` ? earlier.before : null;
  const inspection = query.get("inspection");
  const given = ["since", "until"].filter((name) => query.get(name)).map((name) => [name, query.get(name)]);
  const asked = { ...Object.fromEntries(given), inspection };
  const { data, error } = useFetched((signal) => (may("operate")
    ? call("list_audit_entries", { query: { ...asked, before, limit: SHOWN }, signal }) : Promise.resolve(null)), [`${query}`, before]);
  if (!may("operate")) return html`<${Notice} title=${a.mayNotSee} />`;
  const entries = data?.entries ?? [];
  const row = (one) => [one.seq, when(one.at), one.who, a.actions[one.action] ?? one.action,
    [one.model, one.version].filter(Boolean).join(" "), toldOf(one), one.reason];
  return html`<${Filters} asked=${asked} fields=${["since", "until"]}>${took("list_audit_entries", asked, "csv")}${print()}<//>
    <${Problem} error=${error} />
    ${inspection && html`<p class="row">${fill(a.of, { inspection })} <a href="/console/audit/changes">${a.all}</a></p>`}
    ${data && html`<section class="card"><h2>${a.views.changes}</h2>
      ${entries.length === 0 ? html`<p>${a.noEntry}</p>` : table(a.views.changes, a.entryColumns, entries.map(row))}
      ${entries.length === SHOWN && html`<button type="button" class="button"
        onClick=${() => setEarlier({ of: `${query}`, before: entries.at(-1).seq })}>${a.earlier}</button>`}</section>`}`;
}

/** What an entry changed, in a line: from what to what, and whatever else it says. */
function toldOf({ old, new: now }) {
  const texts = (value) => Object.entries(value ?? {}).filter(([, one]) => one !== null)
    .map(([name, one]) => `${name} ${typeof one === "object" ? JSON.stringify(one) : one}`).join(", ");
  const told = old ? `${texts(old)} → ${texts(now)}` : texts(now);
  return told.length > MOST_TOLD ? html`<details><summary>${told.slice(0, MOST_TOLD)} …</summary>${told}</details>` : told;
}

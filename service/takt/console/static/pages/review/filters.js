/** Which inspections are looked at: filters that stand in the address, shown as tokens. */
import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { navigate } from "../../core/address.js";
import { MOMENT, when } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";

const WORDS = { verdict: ["reject", "pass", "undecided"], judgement: ["none", "defect", "good", "unsure"] };
const NUMBER = { type: "number" };
const KINDS = { since: MOMENT, until: MOMENT, score_min: NUMBER, score_max: NUMBER };
const NAMES = [...Object.keys(WORDS), "model", "version", "station", "lot", "part", ...Object.keys(KINDS)];
const KEPT = ["any", "reject", "near", "sample", "recent", "all"];
const isTime = (name) => KINDS[name] === MOMENT;
const r = t.review;

/** The filters of an address, as the API has them; without any, what was chosen for a review. */
export function filtersOf(query) {
  const given = [...NAMES, "kept"].filter((name) => query.get(name)).map((name) => [name, query.get(name)]);
  return { kept: "any", ...Object.fromEntries(given) };
}

/** What the API is asked: `all` is no filter. */
export const asked = ({ kept, ...others }) => (kept === "all" ? others : { kept, ...others });

/** The address of a view. */
export function linkOf({ kept, ...others }, path = "/console/review") {
  const query = new URLSearchParams(kept === "any" ? others : { ...others, kept });
  return query.size ? `${path}?${query}` : path;
}

/** The filters of the day that lies so many days after a date, by this browser's clock. */
export function dayOf(date, days = 0) {
  const begin = (more) => new Date(date.getFullYear(), date.getMonth(), date.getDate() + days + more).toISOString();
  return { since: begin(0), until: begin(1) };
}

/** The filters of what was rejected on the day before this one. */
export const yesterdaysRejects = () => ({ ...dayOf(new Date(), -1), kept: "reject" });

/** Links to what people look for first, the filters in force, and a way to add one. */
export function Tokens({ filters, path }) {
  const [name, setName] = useState(NAMES[0]);
  const form = useRef(null);
  const go = (changed) => navigate(linkOf(changed, path));
  const add = (event) => {
    event.preventDefault();
    const value = new FormData(event.target).get("value").trim();
    if (value) go({ ...filters, [name]: isTime(name) ? new Date(value).toISOString() : value });
  };
  const drop = (gone) => {
    const left = Object.entries(filters).filter(([one]) => one !== gone && !(one === "version" && gone === "model"));
    form.current.elements[0].focus(); // its button is gone
    go(Object.fromEntries(left));
  };
  const option = (value, text) => html`<option value=${value}>${text}</option>`;
  return html`<div class="row tokens">
    <a class="button" href=${linkOf(yesterdaysRejects())}>${r.yesterday}</a>
    <div class="chips" role="group" aria-label=${r.filters.kept}>${KEPT.map((kept) => html`<a class="button" key=${kept}
      href=${linkOf({ ...filters, kept }, path)} aria-current=${filters.kept === kept ? "true" : null}>${r.kept[kept]}</a>`)}</div>
    ${NAMES.filter((one) => one in filters).map((one) => html`<button type="button" key=${one} class="button token"
      onClick=${() => drop(one)} aria-label=${fill(r.without, { filter: said(one, filters[one]) })}>× ${said(one, filters[one])}</button>`)}
    <form class="row" ref=${form} onSubmit=${add}>
      <select aria-label=${r.filter} value=${name} onChange=${(event) => setName(event.target.value)}>
        ${NAMES.map((one) => option(one, r.filters[one]))}</select>
      ${WORDS[name] ? html`<select name="value" aria-label=${r.value}>${WORDS[name].map((one) => option(one, r.words[name][one]))}</select>`
        : html`<input name="value" key=${name} step="any" ...${KINDS[name]} required maxlength="256" aria-label=${r.value} />`}
      <button class="button">${r.add}</button>
    </form>
  </div>`;
}

function said(name, value) {
  return `${r.filters[name]}: ${isTime(name) ? when(value) : (r.words[name]?.[value] ?? value)}`;
}

/** A month, with what nobody has judged on each day; a day leads to its pictures. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { local } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { Problem } from "../../parts/notice.js";
import { asked, dayOf, linkOf } from "./filters.js";

const written = (options) => new Intl.DateTimeFormat(document.documentElement.lang, options);
const [MONTH, SHORT] = [{ month: "long", year: "numeric" }, { weekday: "short" }].map(written);
const WEEK = Array.from({ length: 7 }, (_, number) => SHORT.format(new Date(2024, 0, 1 + number)));
const NOTHING = { unreviewed: 0, judged: 0, rejects: 0, near: 0, samples: 0 };
const CLOCKS_TURN_MS = 900_000; // at a quarter of an hour, everywhere
const r = t.review;

/** A time in parts, within each of which the clock is neither put forward nor back. */
function partsOf(begin, end) {
  const begins = [begin];
  for (let at = begin; at < end; at = new Date(+at + CLOCKS_TURN_MS)) {
    if (at.getTimezoneOffset() !== begins.at(-1).getTimezoneOffset()) begins.push(at);
  }
  return begins.map((since, number) => ({ since, until: begins[number + 1] ?? end }));
}

const sumOf = (one, other) => Object.fromEntries(Object.keys(NOTHING).map((name) => [name, one[name] + other[name]]));

/** The calendar of a view. */
export function Calendar({ filters }) {
  const { since, until, judgement, ...others } = filters;
  const shown = new Date(Date.parse(since?.includes("T") ? since : "") || Date.now());
  const [moved, setMoved] = useState(0);
  const [first, end] = [0, 1].map((more) => new Date(shown.getFullYear(), shown.getMonth() + moved + more, 1));
  const { data, error } = useFetched((signal) => Promise.all(partsOf(first, end).map(({ since: begin, until: stop }) => call("get_calendar", {
    query: { ...asked(others), since: begin.toISOString(), until: stop.toISOString(), offset_minutes: -begin.getTimezoneOffset() }, signal,
  }))), [moved]);
  const days = Array.from({ length: new Date(end - 1).getDate() }, (_, number) => dayOf(first, number));
  const turn = (by, label, text) => html`<button type="button" class="button" aria-label=${label}
    onClick=${() => setMoved(moved + by)}>${text}</button>`;
  return html`<section class="card">
    <div class="row between">${turn(-1, r.earlier, "‹")}<h2 aria-live="polite">${MONTH.format(first)}</h2>${turn(1, r.later, "›")}</div>
    <${Problem} error=${error} />
    <div class="month">
      ${WEEK.map((name) => html`<small aria-hidden="true">${name}</small>`)}
      ${days.map((day, number) => {
        const found = data?.flatMap(({ days: all }) => all).filter((one) => local(day.since).startsWith(one.day)) ?? [];
        const counts = found.reduce(sumOf, NOTHING);
        const { unreviewed, judged } = counts;
        return html`<a key=${number} href=${linkOf({ ...filters, ...day })} title=${fill(r.day, counts)}
          class=${unreviewed ? "open" : ""} aria-current=${since === day.since ? "date" : null}
          style=${number ? {} : { gridColumnStart: ((first.getDay() + 6) % 7) + 1 }}>${number + 1}
          <small>${unreviewed ? fill(r.toJudge, { count: unreviewed }) : judged > 0 && r.allJudged}</small></a>`;
      })}
    </div>
  </section>`;
}

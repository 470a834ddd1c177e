/** An alarm that calls: what has changed since when, pictures of then and now, and what to do. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call, url } from "../../core/api.js";
import { when } from "../../core/format.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { useReviewer } from "../../parts/judging/said.js";
import { Problem } from "../../parts/notice.js";
import { movedText, toDo } from "../../parts/watching/fact_words.js";
import { placeOf } from "./place.js";

const MOST_MOVED = 4;
const DAY_BEGINS = 6;
const SNOOZES = { shift: () => 8, tomorrow: untilTomorrow, week: () => 7 * 24 };
const w = t.watch;

/** Hours until the next morning's shift. */
function untilTomorrow() {
  const morning = new Date();
  morning.setDate(morning.getDate() + 1);
  morning.setHours(DAY_BEGINS, 0, 0, 0);
  return (morning - Date.now()) / 3_600_000;
}

/** `changed(text)` is called when somebody has answered it. */
export function Alarm({ alarm, changed }) {
  const [first, ...others] = alarm.moved.slice(0, MOST_MOVED);
  const began = html`<a href=${`/console/inspection/${alarm.since_id}`}>${when(alarm.since)}</a>`;
  const course = new URLSearchParams({ model: alarm.model, station: alarm.station, fact: first.fact });
  return html`<article class="card calling" aria-label=${w.causes[alarm.cause]}>
    <h2>${w.causes[alarm.cause]}</h2>
    <p class="calling-what">${movedText(first)}</p>
    <p>${placeOf(alarm)}, ${w.since} ${began}. ${fill(w.found, { when: when(alarm.raised) })}
      ${alarm.cause !== "promise" && html` <a href=${`/console/watch?${course}`}>${w.showCourse}</a>.`}
      ${others.length > 0 && html` <span class="quiet">${fill(w.also, { facts: others.map(movedText).join("; ") })}</span>`}</p>
    <${ThenAndNow} alarm=${alarm} />
    <h3>${w.whatToDo}</h3><p>${alarm.cause === "camera" ? toDo(first) : w.toDo[alarm.cause]}</p>
    ${alarm.cause === "camera" ? others.length > 0 && html`<details><summary>${w.otherwise}</summary>
        <ul>${[...new Set(others.map(toDo))].map((one) => html`<li>${one}</li>`)}</ul></details>`
      : html`<p class="row"><a href=${`/console/review?${rejectsOf(alarm)}`}>${w.rejects}</a></p>`}
    <${Answers} alarm=${alarm} changed=${changed} />
  </article>`;
}

const rejectsOf = ({ model, station, since }) => new URLSearchParams({ kept: "reject", model, since, ...(station && { station }) });

function ThenAndNow({ alarm: { then_id: then, now_id: now } }) {
  if (then === null && now === null) return html`<p class="quiet">${w.noPictures}</p>`;
  return html`<div class="then-now">${[["then", then], ["now", now]].map(([name, id]) => html`<figure>
    ${id === null ? html`<p class="quiet">${w.noPicture[name]}</p>` : html`<${Kept} key=${id} id=${id} text=${fill(w.pictureOf[name], { id })} />`}
    <figcaption>${id === null ? w.moment[name] : html`<a href=${`/console/inspection/${id}`}>${fill(w.pictureOf[name], { id })}</a>`}</figcaption>
  </figure>`)}</div>`;
}

/** The picture as it is kept; the service's small one where the browser cannot show that. */
function Kept({ id, text }) {
  const [what, setWhat] = useState("get_picture");
  const path = { id };
  return html`<img src=${url(what, { path })} alt=${text} onError=${() => setWhat("get_thumbnail")} />`;
}

/** What somebody may say to it. */
function Answers({ alarm: { id, cause, station }, changed }) {
  const [asking, setAsking] = useState(null);
  const [error, setError] = useState(null);
  const reviewer = useReviewer();
  if (!may("review")) return html`<p class="quiet">${w.lookOnly}</p>`;
  const path = { id };
  const snooze = (name) => call("snooze_alarm", { path, body: { hours: SNOOZES[name](), reviewer } })
    .then(() => (setError(null), changed(w.snoozed[name])), setError);
  const asks = {
    acknowledge: (note) => call("acknowledge_alarm", { path, body: { note, reviewer } }).then(() => changed(w.acknowledged)),
    maintenance: (note) => call("mark_line", { body: { kind: "maintenance", station, note: note ?? "", reviewer } })
      .then(() => changed(w.maintained)),
  };
  const about = asking === "maintenance" && !station ? "maintenanceEverywhere" : asking;
  return html`<div><div class="row">
      <button type="button" class="button primary" onClick=${() => setAsking("acknowledge")}>${w.acts.acknowledge}</button>
      ${cause !== "promise" && html`
        <button type="button" class="button" onClick=${() => setAsking("maintenance")}>${w.acts.maintenance}</button>`}
      <div class="row" role="group" aria-label=${w.later}>${Object.keys(SNOOZES).map((name) => html`
        <button type="button" class="button" onClick=${() => snooze(name)}>${w.snooze[name]}</button>`)}</div>
    </div>
    <${Problem} error=${error} />
    <${ReasonDialog} open=${asking !== null} title=${w.acts[asking]} action=${w.acts[asking]} label=${w.noteOf[asking]}
      onConfirm=${(note) => asks[asking](note)} onClose=${() => setAsking(null)}><p>${w.about[about]}</p><//></div>`;
}

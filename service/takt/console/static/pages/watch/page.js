/** The page Watch: whether camera, light and models are as ever; what calls, how it went, and what is watched. */
import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useOnline } from "../../core/connection.js";
import { count } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Former, Notice, Problem } from "../../parts/notice.js";
import { tellCalls } from "../../parts/watching/calls.js";
import { Alarm } from "./alarm.js";
import { Course } from "./course.js";
import { Past, Promises, Streams } from "./tables.js";

const LOOK_EVERY_MS = 5000;
const TURN_MS = 2500; // the watch has heard of a mark by then
const LISTED = { limit: 100 };
const w = t.watch;

/** The page. */
export default function Page() {
  return html`<div class="row page-head"><h1>${w.title}</h1></div>
    ${may("read") ? html`<${Watch} />` : html`<${Notice} title=${w.mayNot} />`}`;
}

function Watch() {
  const { data, at, error, again } = useFetched((signal) => Promise.all([call("get_watch", { signal }),
    call("list_alarms", { query: LISTED, signal }), call("list_marks", { query: LISTED, signal })]), []);
  const [done, setDone] = useState("");
  const online = useOnline();
  useInterval(again, error?.code === "no_record" ? null : LOOK_EVERY_MS);
  const [watch, { alarms } = {}, { marks } = {}] = data ?? [];
  useEffect(() => watch && tellCalls(watch.calling.length), [watch]);
  if (error?.code === "no_record") {
    return html`<${Notice} title=${w.noRecord}><p>${w.noRecordDetail}</p><pre>${w.noRecordCommand}</pre><//>`;
  }
  const changed = (text) => (setDone(text), again(), setTimeout(again, TURN_MS));
  return html`<${Problem} error=${error} /><${Former} at=${at} />
    <div role="status">${done && html`<p class="notice">${done}</p>`}</div>
    ${watch && html`
      ${online && watch.calling.length === 0 && html`<${Calm} watch=${watch} standing=${alarms.filter((one) => !one.ended).length} />`}
      ${watch.calling.map((one) => html`<${Alarm} key=${one.id} alarm=${one} changed=${changed} />`)}
      ${watch.streams.length > 0 && html`<${Course} ...${{ watch, alarms, marks, changed }} /><${Streams} watch=${watch} />`}
      <${Promises} promises=${watch.promises} />
      <${Past} alarms=${alarms.filter((one) => !one.calls)} />`}`;
}

/** One calm sentence where nothing calls. */
function Calm({ watch: { streams, promises }, standing }) {
  const known = streams.filter((one) => one.calibrated_on !== null), able = known.filter((one) => one.active);
  const pictures = able.reduce((sum, one) => sum + one.pictures, 0);
  const models = [...new Set(able.length > 0 ? able.map((one) => one.model) : known.map((one) => `${one.model} ${one.version}`))].join(", ");
  const said = able.length > 0 ? "calm" : known.length > 0 ? "formerly" : streams.length + promises.length > 0 ? "unable" : "nothingYet";
  return html`<section class="card"><h2>${w.calmTitle[said]}</h2>
    <p>${fill(w[said], { pictures: count(pictures), streams: count(able.length), models })}</p>
    ${standing > 0 && html`<p>${fill(w.standing, { number: standing })}</p>`}</section>`;
}

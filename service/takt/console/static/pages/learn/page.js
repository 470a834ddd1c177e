/** The page Learn: from pictures of good parts to a new version, by a job that is on the server. */
import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useFetched, useInterval, useKeptFocus } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { forget, Learned, Running } from "../../parts/learning/job.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Gathering } from "./pictures.js";
import { Wish } from "./wish.js";

const [SOON_MS, LATER_MS] = [1000, 5000];
const JOBS = { collecting: Gathering, failed: Gathering, running: Running, done: Learned };

/** The page. */
export default function Page() {
  return html`<div class="row page-head"><h1>${t.learn.title}</h1></div>
    ${may("read") ? html`<${Learn} />` : html`<${Notice} title=${t.learn.mayNotRead} />`}`;
}

function Learn() {
  const { data, error, again } = useFetched((signal) => call("list_learnings", { signal }), []);
  const [passed, pass] = useState([]);
  const last = useRef(null);
  const job = data?.jobs.find(({ id, state }) => state !== "cancelled" && !passed.includes(id));
  if (job) last.current = job;
  // Of one that has made a version nothing is lost.
  const before = last.current?.state === "done" || passed.includes(last.current?.id) ? null : last.current;
  const lost = data && before && data.jobs.every(({ id }) => id !== before.id);
  useInterval(again, job?.state === "running" || job?.learned?.standing === "loading" ? SOON_MS : LATER_MS);
  const focus = useKeptFocus([job?.id, job?.state]);
  const end = async () => {
    await forget(job.id);
    // What was learned before does not come back in its place.
    pass([...passed, job.id, ...data.jobs.filter(({ state }) => state === "done").map(({ id }) => id)]);
    again();
  };
  const shown = { data, job, again, end: may("operate") && end };
  return html`<div class="learning" ...${focus}><${Problem} error=${error} />
    ${lost && html`<${Notice} tone="near" title=${t.learn.lost}><p>${t.learn.lostDetail}</p><//>`}
    ${!may("operate") && html`<${Notice} title=${t.learn.mayNot} />`}
    ${job ? html`<${JOBS[job.state]} key=${job.id} ...${shown} />` : data && shown.end && html`<${Wish} ...${shown} />`}</div>`;
}

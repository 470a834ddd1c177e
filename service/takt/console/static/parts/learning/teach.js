/** A model is taught by what people judged: a button that tells what waits, and a dialog that leads through it. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useFetched, useInterval, useKeptFocus } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Dialog } from "../dialog.js";
import { Notice, Problem } from "../notice.js";
import { forget, Lines, Running, TONES } from "./job.js";
import { Taught } from "./taught.js";

const [SOON_MS, LATER_MS] = [1000, 5000];
const w = t.teach;

/** The button; without `model` one of `models` is chosen in the dialog. Counts are read anew when `times` changes. */
export function Teach({ model, models = [], times }) {
  const [open, setOpen] = useState(false);
  const [chosen, choose] = useState(null);
  const name = model ?? chosen ?? (models.length === 1 ? models[0] : null);
  const allowed = may("operate") && may("read");
  const { data, error, again } = useFetched((signal) => (name && allowed ? call("get_teachable", { query: { model: name }, signal })
    : Promise.resolve(null)), [name, times]);
  if (!allowed || (!name && models.length === 0) || (error && !open)) return null;
  const known = data?.model === name ? data : null;
  return html`<button type="button" class="button" onClick=${() => setOpen(true)}>${name ? labelOf(name, known) : w.any}</button>
    <${Dialog} open=${open} title=${name ? fill(w.title, { model: name }) : w.any} onClose=${() => (setOpen(false), again())} wide>
      ${!model && models.length > 1 && html`<label>${w.which}<select onChange=${({ target }) => choose(target.value || null)}>
        <option value="" selected=${!name}></option>
        ${models.map((one) => html`<option value=${one} selected=${one === name}>${one}</option>`)}</select></label>`}
      <${Problem} error=${error} />
      ${known && html`<${Teaching} key=${name} teachable=${known} />`}
    <//>`;
}

function labelOf(model, data) {
  if (!data) return fill(w.button, { model });
  const text = data.defects === 0 ? w.noDefects : data.new === 0 ? w.nothingNew : w.waits;
  return fill(text, { ...data, version: data.version ?? "–" });
}

/** What the dialog has: what will happen, how far it is, or what came of it. */
function Teaching({ teachable }) {
  const { model } = teachable;
  const { data, error, again } = useFetched((signal) => call("list_learnings", { signal }), []);
  const [failed, setFailed] = useState(null);
  const [busy, setBusy] = useState(false);
  const jobs = data?.jobs ?? [];
  const mine = jobs.find((one) => one.teach && one.model === model && one.state !== "cancelled");
  const other = jobs.find((one) => ["collecting", "running"].includes(one.state) && one !== mine);
  useInterval(again, mine?.state === "running" || mine?.learned?.standing === "loading" ? SOON_MS : LATER_MS);
  const act = async (work) => {
    setBusy(true);
    setFailed(null);
    await work().catch(setFailed);
    setBusy(false);
    again();
  };
  const end = () => forget(mine.id).then(again);
  const begin = () => act(async () => {
    const { id } = mine?.state === "collecting" || mine?.state === "failed" ? mine : await call("create_learning", { body: { model, teach: true } });
    await call("start_learning", { path: { id } });
  });
  const focus = useKeptFocus([mine?.state]);
  const shown = { teachable, job: mine, begin, end, busy };
  return html`<div class="learning" ...${focus}><${Problem} error=${error ?? failed} />
    ${!data ? html`<p class="quiet">${t.shell.loading}</p>` : mine?.state === "running" ? html`<${Running} job=${mine} end=${end} />`
      : mine?.state === "done" ? html`<${Result} ...${shown} forget=${() => act(end)} />`
      : other ? html`<${Notice} title=${fill(w.other, other)}><p><a href="/console/learn">${w.otherLink}</a></p><//>`
      : html`<${Intro} ...${shown} obstacles=${data.obstacles} signing=${data.signing} />`}</div>`;
}

/** What will happen, before it does. */
function Intro({ teachable, job, obstacles, signing, begin, busy }) {
  const { obstacle, missing, version } = teachable;
  const values = { ...teachable, version: version ?? "–" };
  const why = [...obstacles.map(({ code, detail }) => [t.learn.obstacles[code], detail]), ...(obstacle ? [[w.obstacle, obstacle]] : [])];
  return html`${job?.error && html`<${Notice} tone="defect" title=${t.learn.failed}><p>${job.error}</p><//>`}
    <p>${fill(w.about, values)}</p>
    <ul>${w.steps.map((step) => html`<li>${fill(step, values)}</li>`)}</ul>
    ${missing > 0 && html`<p class="quiet">${fill(w.missing, { missing })}</p>`}
    ${why.map(([title, detail]) => html`<${Notice} tone="near" title=${title}><p>${detail}</p><//>`)}
    ${signing && html`<${Notice} tone="near" title=${t.learn.signing}><p>${signing}</p><//>`}
    <button type="button" class="button primary" disabled=${busy || why.length > 0} onClick=${begin}>${w.begin}</button>`;
}

/** What came of it, and where to activate it. */
function Result({ job: { model, learned }, forget, busy }) {
  const { version, standing, reason } = learned;
  const path = { name: model, version };
  return html`<${Lines} tone=${TONES[standing] ?? (reason && "near")} title=${fill(t.learn.standing[standing], path)} lines=${[reason]} />
    ${learned.taught && html`<${Taught} taught=${learned.taught} />`}
    <${Lines} title=${t.learn.findings} lines=${learned.findings} tone="near" />
    <div class="row">
      <a class="button primary" href=${`/console/models/${encodeURIComponent(model)}?version=${version}`}>
        ${fill(standing === "active" ? w.look : w.activate, path)}</a>
      <button type="button" class="button" disabled=${busy} onClick=${forget}>${w.again}</button>
    </div>`;
}

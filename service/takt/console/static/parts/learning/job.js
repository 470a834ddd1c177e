/** A learning that runs, what came of it, and its end. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { percent, score, when } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../dialog.js";
import { Notice, Problem } from "../notice.js";
import { Taught } from "./taught.js";

/** How a notice looks by what became of a version. */
export const TONES = { failed: "defect", unsigned: "near" };
const MARKS = { done: "✓", now: "▶", later: "·" };

/** Its stages and how far it is; `end` gives it up, and is false where the caller may not. */
export function Running({ job, end }) {
  const at = job.stages.indexOf(job.stage);
  const stateOf = (index) => (index < at ? "done" : index === at ? "now" : "later");
  return html`<section class="card learn">
    <h2>${fill(t.learn.running, job)}</h2>
    <progress value=${job.share} aria-label=${t.learn.progress}>${percent(job.share)}</progress>
    <h3 aria-live="polite">${t.learn.stages[job.stage] ?? t.learn.starting}</h3>
    <p class="quiet">${[percent(job.share, 0), job.detail].filter(Boolean).join(" · ")}</p>
    <ol>${job.stages.map((stage, index) => html`<li class=${stateOf(index)} aria-current=${index === at ? "step" : null}>
      <span aria-hidden="true">${MARKS[stateOf(index)]}</span> ${t.learn.stages[stage] ?? stage}</li>`)}</ol>
    <p class="quiet">${fill(t.learn.since, { ...job, when: when(job.started_at) })}</p>
    <${Lines} title=${t.learn.warnings} lines=${job.warnings} />
    ${end && html`<${Act} text=${t.learn.cancel} act=${end} />`}
  </section>`;
}

/** Before and after, what it promises, what speaks against it, and its activation. */
export function Learned({ job, again, end }) {
  const { model: name, learned } = job;
  const [asked, ask] = useState(false);
  const { version, standing: state, reason: why } = learned, path = { name, version };
  const activate = (reason) => call("activate_version", { path, body: { reason } }).then(again);
  const text = fill(t.learn.activate, path);
  const { pictures, promise, self_test: test, bears } = learned;
  const rows = { pictures, threshold: score(learned.threshold), promise, test, bears };
  return html`<section class="card learn">
    <h2>${fill(t.learn.done, path)}</h2>
    <${Lines} tone=${TONES[state] ?? (why && "near")} title=${fill(t.learn.standing[state], path)} lines=${[why]} />
    ${learned.taught && html`<${Taught} taught=${learned.taught} />`}
    <${Lines} title=${t.learn.compared} lines=${learned.compared} />
    <dl>${Object.entries(rows).map(([fact, value]) => value && html`<dt>${t.learn.facts[fact]}</dt><dd>${value}</dd>`)}</dl>
    <${Lines} title=${t.learn.findings} lines=${learned.findings} tone="near" />
    ${end && (job.pictures_kept || job.teach) && html`<${Advised} job=${job} again=${again} />`}
    <${Lines} title=${t.learn.notes} lines=${learned.notes} />
    <div class="row">
      ${end && learned.standing === "waiting" && html`<${Act} text=${text} act=${async () => ask(true)} main />`}
      <a class="button" href=${`/console/models/${encodeURIComponent(name)}?version=${learned.version}`}>${t.learn.look}</a>
      ${end && html`<${Act} text=${t.learn.another} act=${end} />`}
    </div>
    <${ReasonDialog} open=${asked} title=${text} action=${text} onConfirm=${activate} onClose=${() => ask(false)} />
  </section>`;
}

/** What may help against what speaks against it, each with the pictures that are there. */
function Advised({ job, again }) {
  const { id, model, update, teach, family, alpha, minutes, size, learned: { advice } } = job;
  const kept = teach ? { teach } : { update, family, minutes, size, pictures_of: id };
  const learn = ({ setting, value }) => async () => {
    // Of another family than the one that they were for.
    const anew = setting === "family" ? { minutes: null, size: null } : {};
    const made = await call("create_learning", { body: { model, alpha, ...kept, ...anew, [setting]: value } });
    await call("start_learning", { path: { id: made.id } });
    again();
  };
  const text = ({ setting, value }) => fill(t.learn.advice[setting], { share: percent(value, 0), value });
  return advice.map((one) => html`<p key=${one.setting}><${Act} text=${text(one)} act=${learn(one)} /></p>`);
}

/** A button; what it cannot do is told beside it. */
function Act({ text, act, main }) {
  const [error, setError] = useState(null);
  return html`<${Problem} error=${error} />
    <button type="button" class=${main ? "button primary" : "button"} onClick=${() => act().catch(setError)}>${text}</button>`;
}

/** Lines under a title; nothing where there are none. */
export const Lines = ({ title, lines, tone }) => lines.length > 0 && html`<${Notice} tone=${tone || undefined} title=${title}>
  ${lines.map((line) => line && html`<p>${line}</p>`)}<//>`;

/** Ends a learning; resolves once the server does not have it any more, whoever has ended it: another tab may have been first. */
export const forget = (id) => call("discard_learning", { path: { id } }).catch((error) => {
  if (error.status !== 404) throw error;
});

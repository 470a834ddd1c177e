/** One model: which version answers, and all that is known of one version. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { bytes, percent, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Term } from "../../parts/term.js";
import { Threshold } from "./threshold.js";
import { Prices } from "./prices.js";
import { Undecided } from "./undecided.js";

/** `named` is the version that is shown, the highest where none is named and none answers; `again` asks the server anew. */
export function ModelPage({ model: { name, active, previous, versions, waits }, named = active || versions.at(-1).version, again }) {
  const [done, setDone] = useState(null);
  const version = versions.find((one) => one.version === named);
  const path = { name, version: named };
  const after = (change) => (setDone(change), again());
  return html`<div class="row page-head"><h1>${fill(t.models.heading, path)}</h1><a href="/console/models">${t.models.all}</a></div>
    <nav class="chips releases" aria-label=${fill(t.models.versionsOf, path)}>${versions.map((one) => html`
      <a class="button" href=${addressOf(name, one.version)} aria-current=${one === version ? "page" : null}>
        ${one.version}${one.version === active ? ` · ${t.models.active}` : ""}
      </a>`)}
    </nav>
    <div aria-live="polite">${done && html`<${Notice} title=${done.persisted ? t.models.done : t.models.unkept} />`}</div>
    <${Waits} why=${waits} />${version ? html`<${State} one=${version} active=${active} />`
      : html`<${Notice} tone="near" title=${fill(t.models.noVersion, path)} />`}
    ${may("operate") && html`<${Releases} ...${{ path, version, active, previous, after }} />`}
    ${version?.thresholds && html`<${Threshold} key=${named + version.digest} ...${{ path, version, after }} />`}
    ${version?.thresholds && html`<${Prices} ...${{ path, version, after }} />`}
    ${version?.thresholds && html`<${Undecided} ...${{ path, version, after }} />`}
    ${version?.digest && html`<${Facts} version=${version} /><${Card} key=${version.digest} path=${path} />`}`;
}

/** Why no version of a model answers; nothing where one does. */
export const Waits = ({ why }) => why && html`<${Notice} tone="near" title=${t.models.waits}><p>${why}</p><//>`;

/** Whether a version is ready, and why not: a ready one has a reason while its engines are in trouble. */
export function State({ one: { version, state, reason }, active }) {
  const bad = state === "failed" || (state === "ready" && reason);
  return html`<span class=${bad ? "failed" : ""}>${t.models.states[bad ? "failed" : state]}</span>
    ${version === active && html`, <strong>${t.models.active}</strong>`} ${reason}`;
}

/** The address of a model, or of one of its versions. */
export function addressOf(name, version) {
  return `/console/models/${encodeURIComponent(name)}${version ? `?version=${encodeURIComponent(version)}` : ""}`;
}

/** The size of a model's input. */
export const input = (version) => version.input && `${version.input.width} × ${version.input.height}`;

/** What changes which version answers, and where another one is learned. */
function Releases({ path, version, active, previous, after }) {
  const [asked, ask] = useState(null);
  // Of the version that answers one goes back; of any other one activates it: one button, whatever it was before.
  const answers = path.version === active;
  const to = answers ? previous : version?.state === "ready" && path.version;
  const text = fill(answers ? t.models.goBack : t.models.activate, { version: to });
  const confirm = async (reason) => {
    // By its number: the version before is another one once somebody has activated a third.
    after(await call("activate_version", { path: { ...path, version: asked.to }, body: { reason } }));
  };
  return html`<div class="row releases">
      ${to && html`<button type="button" class=${answers ? "button" : "button primary"} onClick=${() => ask({ to, text })}>${text}</button>`}
      <a class="button" href=${`/console/learn?model=${encodeURIComponent(path.name)}`}>${t.models.learn}</a>
    </div>
    <${ReasonDialog} open=${asked} title=${asked?.text} action=${asked?.text} onConfirm=${confirm} onClose=${() => ask(null)}>
      <p>${active ? fill(t.models.instead, { now: active }) : t.models.first}</p>
    <//>`;
}

const small = (value) => (value ? value.toExponential(1) : "0");
const drifts = ({ score, anomaly_map: map }) => ({ score: small(score), map: small(map) });
const list = (lines) => lines?.length > 0 && html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;

function Facts({ version }) {
  const { drift, self_test: tested, tiling, on_disk: size, notes } = version;
  const from = drift?.from_file;
  const share = drift && percent(Math.max(drift.score, drift.anomaly_map) / drift.tolerance);
  const facts = {
    family: `${version.family}, ${version.variant}, ${input(version)}`,
    engine: version.engine,
    disk: fill(t.models.sizes, { all: bytes(size.bytes), graph: bytes(size.graph_bytes) }),
    roi: version.roi && percent(version.roi.share),
    tiling: tiling && `${tiling.width} × ${tiling.height}`,
    signed: version.signed_by ?? t.models.unsigned,
    digest: version.digest,
  };
  return html`<section class="card">
    <h2><${Term} of="drift" text=${t.models.answers} /></h2>
    ${drift && html`<p>${fill(t.models.drift, { ...drifts(drift), share, tolerance: small(drift.tolerance) })}</p>`}
    ${from && html`<p>${fill(t.models.fromFile, { ...drifts(from), pictures: from.pictures })}</p>`}
    <h3><${Term} of="self-test" text=${t.models.selfTest} /></h3>
    <p>${tested ? `${tested.text} (${when(tested.made_at)})` : t.models.noSelfTest}</p>
    ${list(tested?.findings.map((one) => `${one.text}; ${one.remedy}`))}
    ${tested?.bears && html`<h3><${Term} of="bears" text=${t.models.bears} /></h3>
    <p>${tested.bears.text}</p>${list([tested.bears.warning].filter(Boolean))}`}
    ${tested?.next_lot && html`<h3><${Term} of="next-lot" text=${t.models.nextLot} /></h3><p>${tested.next_lot.text}</p>`}
    ${notes.length > 0 && html`<h3>${t.models.notes}</h3>`}${list(notes)}
    <h3>${t.models.files}</h3>
    <table><tbody>${Object.entries(facts).map(([name, value]) => value && html`
      <tr><th scope="row">${t.models.facts[name]}</th><td>${value}</td></tr>`)}
    </tbody></table>
  </section>`;
}

/** The bundle's card as it is written, asked for when somebody opens it. */
function Card({ path }) {
  const [open, setOpen] = useState(false);
  const get = async (signal) => open && { text: await call("get_card_of_version", { path, signal, as: "text" }) };
  const { data, error } = useFetched(get, [open]);
  return html`<details class="card" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${t.models.card}</summary>
    <${Problem} error=${error} />${data && html`<pre>${data.text ?? t.models.noCard}</pre>`}
  </details>`;
}

/** One model: which version answers, and all that is known of one version. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { bytes, percent, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { addressOf, State } from "./state.js";
import { Threshold } from "./threshold.js";

/** `named` is the version that is shown; `again` asks the server anew. */
export function ModelPage({ model, named, again }) {
  const [done, setDone] = useState(null);
  const version = model.versions.find((one) => one.version === named);
  const path = { name: model.name, version: named };
  const after = (change) => {
    setDone(change);
    again();
  };
  return html`<a href="/console/models">${t.models.all}</a>
    <h1>${fill(t.models.heading, path)}</h1>
    <nav class="row" aria-label=${fill(t.models.versionsOf, path)}>${model.versions.map((one) => html`
      <a class="button" href=${addressOf(model.name, one.version)} aria-current=${one === version ? "page" : null}>
        ${one.version}${one.version === model.active ? ` · ${t.models.active}` : ""}
      </a>`)}
    </nav>
    <div aria-live="polite">
      ${done && html`<${Notice} title=${done.persisted ? t.models.done : t.models.unkept} />`}
    </div>
    ${version ? html`<p><${State} one=${version} active=${named === model.active} /></p>`
      : html`<${Notice} tone="near" title=${fill(t.models.noVersion, path)} />`}
    ${may("operate") && html`<${Releases} ...${{ model, version, path, after }} />`}
    ${version?.thresholds && html`<${Threshold} key=${named + version.digest} ...${{ path, version, after }} />`}
    ${version?.digest && html`<${Facts} version=${version} /><${Card} key=${version.digest} path=${path} />`}`;
}

/** What changes which version answers, and where another one is learned. */
function Releases({ model, version, path, after }) {
  const [asked, ask] = useState(null);
  const choices = {
    activate_version: version?.state === "ready" && version.version !== model.active && version.version,
    roll_back: model.previous,
  };
  const text = fill(t.models[asked] ?? "", { version: choices[asked] });
  const confirm = async (reason) => after(await call(asked, { path, body: { reason } }));
  return html`<div class="row releases">
      ${Object.entries(choices).map(([name, to]) => to && html`
        <button type="button" class="button" onClick=${() => ask(name)}>${fill(t.models[name], { version: to })}</button>`)}
      <a class="button" href=${`/console/learn?model=${encodeURIComponent(model.name)}`}>${t.models.learn}</a>
    </div>
    <${ReasonDialog} open=${asked} title=${text} action=${text} onConfirm=${confirm} onClose=${() => ask(null)}>
      <p>${fill(t.models.instead, { now: model.active })}</p>
    <//>`;
}

const small = (value) => (value ? value.toExponential(1) : "0");
const drifts = ({ score, anomaly_map: map }) => ({ score: small(score), map: small(map) });

function Facts({ version }) {
  const { drift, self_test: tested, tiling, on_disk: size, provenance } = version;
  const share = drift && percent(Math.max(drift.score, drift.anomaly_map) / drift.tolerance);
  const from = drift?.from_file;
  const list = (lines) => lines?.length > 0 && html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
  const rows = Object.entries({
    family: `${version.family}, ${version.variant}`,
    input: `${version.input.width} × ${version.input.height}`,
    engine: version.engine,
    disk: fill(t.models.sizes, { all: bytes(size.bytes), graph: bytes(size.graph_bytes) }),
    roi: version.roi && percent(version.roi.share),
    tiling: tiling && `${tiling.width} × ${tiling.height}`,
    pictures: provenance?.good.count,
    signed: version.signed_by ?? t.models.unsigned,
    digest: version.digest,
  });
  return html`<section class="card">
    <h2>${t.models.answers}</h2>
    ${drift && html`<p>${fill(t.models.drift, { ...drifts(drift), share, tolerance: small(drift.tolerance) })}</p>`}
    ${from && html`<p>${fill(t.models.fromFile, { ...drifts(from), pictures: from.pictures })}</p>`}
    <h3>${t.models.selfTest}</h3>
    <p>${tested ? `${tested.text} (${when(tested.made_at)})` : t.models.noSelfTest}</p>
    ${list(tested?.findings.map((one) => `${one.code}: ${one.text}; ${one.remedy}`))}
    ${version.notes.length > 0 && html`<h3>${t.models.notes}</h3>`}${list(version.notes)}
    <h3>${t.models.files}</h3>
    <table><tbody>${rows.map(([name, value]) => value && html`
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
    <${Problem} error=${error} />
    ${data && html`<pre>${data.text ?? t.models.noCard}</pre>`}
  </details>`;
}

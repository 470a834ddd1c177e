/** One model: which version answers, and all that is known of one version. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { bytes, percent, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { markdown } from "./markdown.js";
import { addressOf, learnAddress, State } from "./page.js";
import { Threshold } from "./threshold.js";

/** `named` is the version of the address; without one it is the active one. */
export function ModelPage({ model, named, again }) {
  const [done, setDone] = useState(null);
  const version = model.versions.find((one) => one.version === (named ?? model.active));
  const path = { name: model.name, version: version?.version };
  const after = (change) => {
    setDone(change);
    again();
  };
  return html`
    <a href="/console/models">${t.models.all}</a>
    <h1>${fill(t.models.heading, { name: model.name, version: version?.version ?? named })}</h1>
    <nav class="row" aria-label=${fill(t.models.versionsOf, { name: model.name })}>
      ${model.versions.map((one) => html`<a
        class="button" href=${addressOf(model.name, one.version)} aria-current=${one === version ? "page" : null}
      >${one.version}${one.version === model.active ? ` · ${t.models.active}` : ""}</a>`)}
    </nav>
    <div aria-live="polite">
      ${done && html`<${Notice} tone=${done.persisted ? "quiet" : "near"} title=${t.models.done}>
        ${!done.persisted && html`<p>${t.models.unkept}</p>`}
      <//>`}
    </div>
    ${!version && html`<${Notice} tone="near" title=${fill(t.models.noVersion, { version: named })} />`}
    ${version && html`
      <p><${State} one=${version} active=${version.version === model.active} /></p>
      ${may("operate") && html`<${Releases} ...${{ model, version, path, after }} />`}
      ${version.thresholds && html`<${Threshold} key=${version.version + version.digest} ...${{ path, version, after }} />`}
      ${version.digest && html`<${Facts} version=${version} /><${Card} key=${version.digest} path=${path} />`}`}
  `;
}

/** What changes which version answers, and where another one is learned. */
function Releases({ model, version, path, after }) {
  const [asked, ask] = useState(null);
  const choices = {
    activate: version.version !== model.active && version.state === "ready" && ["activate_version", version.version],
    rollback: model.previous && ["roll_back", model.previous],
  };
  const confirm = async (reason) => after(await call(choices[asked][0], { path, body: { reason } }));
  const text = (name) => fill(t.models[name], { version: choices[name][1] });
  return html`<div class="row">
      ${Object.keys(choices).map((name) => choices[name] && html`
        <button type="button" class="button" onClick=${() => ask(name)}>${text(name)}</button>`)}
      <a class="button" href=${learnAddress(model.name)}>${t.models.learn}</a>
    </div>
    ${asked && choices[asked] && html`<${ReasonDialog}
      open title=${text(asked)} action=${text(asked)} onConfirm=${confirm} onClose=${() => ask(null)}
    ><p>${fill(t.models.instead, { now: model.active })}</p><//>`}`;
}

const small = (value) => (value ? Number(value).toPrecision(2) : "0");

function Facts({ version }) {
  const { drift, self_test: tested, roi, tiling, provenance } = version;
  const names = t.models.facts;
  const rows = [
    [names.family, `${version.family}, ${version.variant}`],
    [names.input, `${version.input.width} × ${version.input.height}`],
    [names.engine, version.engine],
    [names.disk, `${bytes(version.on_disk.bytes)} (${fill(names.graph, { size: bytes(version.on_disk.graph_bytes) })})`],
    [names.roi, roi && percent(roi.share)],
    [names.tiling, tiling && `${tiling.width} × ${tiling.height}`],
    [names.pictures, provenance && provenance.good.count],
    [names.signed, version.signed_by ?? names.unsigned],
    [names.digest, html`<code>${version.digest}</code>`],
  ];
  return html`<section class="card">
    <h2>${t.models.answers}</h2>
    ${drift && html`<p>${fill(t.models.drift, {
      share: percent(Math.max(drift.score, drift.anomaly_map) / drift.tolerance),
      score: small(drift.score), map: small(drift.anomaly_map), tolerance: small(drift.tolerance),
    })} ${drift.from_file && fill(t.models.fromFile, {
      score: small(drift.from_file.score), map: small(drift.from_file.anomaly_map), count: drift.from_file.pictures,
    })}</p>`}
    <h3>${t.models.selfTest}</h3>
    <p>${tested ? `${tested.text} (${when(tested.made_at)})` : t.models.noSelfTest}</p>
    <ul>${tested?.findings.map((one) => html`<li><strong>${one.code}</strong>: ${one.text}; ${one.remedy}</li>`)}</ul>
    ${version.notes.length > 0 && html`<h3>${t.models.notes}</h3><ul>${version.notes.map((note) => html`<li>${note}</li>`)}</ul>`}
    <h3>${t.models.files}</h3>
    <table><tbody>${rows.map(([name, value]) => value && html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>
  </section>`;
}

/** The bundle's card, asked for when it is opened. */
function Card({ path }) {
  const [open, setOpen] = useState(false);
  const get = async (signal) => open && { text: await call("get_card_of_version", { path, signal, as: "text" }) };
  const { data, error } = useFetched(get, [open]);
  return html`<details class="card" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${t.models.card}</summary>
    <${Problem} error=${error} />
    ${data && (data.text ? markdown(data.text) : html`<p>${t.models.noCard}</p>`)}
  </details>`;
}

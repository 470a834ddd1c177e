/** The page Models: every model and its versions, and one version with its threshold. */
import { html } from "../../vendor/htm-preact.js";
import { useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { bytes } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { ModelPage } from "./model.js";

const LOOK_EVERY_MS = 5000;

/** The page. */
export default function Page() {
  return may("read") ? html`<${Models} />` : html`<h1>${t.models.title}</h1><${Notice} title=${t.models.mayNot} />`;
}

function Models() {
  const { rest: [name], query } = useAddress();
  const { data, error, again } = useFetched((signal) => call("list_models", { signal }), []);
  useInterval(again, LOOK_EVERY_MS);
  const model = data?.models.find((one) => one.name === name);
  return html`
    <${Problem} error=${error} />
    ${data && !name && html`<${List} models=${data.models} />`}
    ${data && name && !model && html`<h1>${fill(t.models.noModel, { name })}</h1><a href="/console/models">${t.models.all}</a>`}
    ${model && html`<${ModelPage} key=${name} model=${model} named=${query.get("version")} again=${again} />`}
  `;
}

function List({ models }) {
  return html`<h1>${t.models.title}</h1>
    ${models.map((model) => html`<section class="card" key=${model.name}>
      <div class="row">
        <h2><a class="button" href=${addressOf(model.name)}>${model.name}</a></h2>
        ${may("operate") && html`<a class="button" href=${learnAddress(model.name)}>${t.models.learn}</a>`}
      </div>
      <div class="scrolled" tabindex="0" role="region" aria-label=${fill(t.models.versionsOf, { name: model.name })}><table>
        <thead><tr>${t.models.columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
        <tbody>${model.versions.map((one) => html`<${Row} model=${model} one=${one} />`)}</tbody>
      </table></div>
    </section>`)}`;
}

function Row({ model, one }) {
  const active = one.version === model.active;
  return html`<tr class=${active ? "active" : ""}>
    <th scope="row"><a class="button" href=${addressOf(model.name, one.version)}>${one.version}</a></th>
    <td><${State} one=${one} active=${active} /></td>
    <td>${[one.family, one.variant].filter(Boolean).join(" ")}</td>
    <td>${one.input ? `${one.input.width} × ${one.input.height}` : "–"}</td>
    <td>${one.engine ?? "–"}</td>
    <td class="number">${bytes(one.on_disk?.bytes)}</td>
  </tr>`;
}

/** A version's state in words, and why it is so. */
export function State({ one, active }) {
  const state = one.state === "ready" && one.reason ? "failed" : one.state;
  return html`<span class=${`state ${state}`}>${t.models.states[state]}</span>
    ${active && html` <strong class="badge">${t.models.active}</strong>`}
    ${one.reason && html`<div class="reason">${one.reason}</div>`}`;
}

/** The address of a model, or of one of its versions. */
export function addressOf(name, version) {
  return `/console/models/${encodeURIComponent(name)}${version ? `?version=${encodeURIComponent(version)}` : ""}`;
}

/** Where a new version of a model is learned. */
export const learnAddress = (name) => `/console/learn?model=${encodeURIComponent(name)}`;

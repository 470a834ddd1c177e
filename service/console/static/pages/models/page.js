/** The page Models: every model and its versions, or one of them with its threshold. */
import { html } from "../../vendor/htm-preact.js";
import { useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { bytes } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { ModelPage } from "./model.js";
import { addressOf, State } from "./state.js";

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
  const shown = model
    ? html`<${ModelPage} key=${name} model=${model} named=${query.get("version") ?? model.active} again=${again} />`
    : html`<h1>${name ? fill(t.models.noModel, { name }) : t.models.title}</h1>
        ${data?.models.map((one) => html`<${Versions} key=${one.name} model=${one} />`)}`;
  return html`<${Problem} error=${error} />${(data || !name) && shown}`;
}

function Versions({ model: { name, active, versions } }) {
  const cells = (one) => [
    html`<${State} one=${one} active=${one.version === active} />`,
    [one.family, one.variant].filter(Boolean).join(", "),
    one.input && `${one.input.width} × ${one.input.height}`,
    one.engine,
    bytes(one.on_disk?.bytes),
  ];
  return html`<section class="card">
    <h2><a class="button" href=${addressOf(name)}>${name}</a></h2>
    <div class="scrolled" tabindex="0" role="region" aria-label=${fill(t.models.versionsOf, { name })}><table>
      <thead><tr>${t.models.columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
      <tbody>${versions.map((one) => html`<tr>
        <th scope="row"><a class="button" href=${addressOf(name, one.version)}>${one.version}</a></th>
        ${cells(one).map((cell) => html`<td>${cell}</td>`)}
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

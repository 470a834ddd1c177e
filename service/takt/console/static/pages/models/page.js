/** The page Models: every model and its versions, or one of them with its threshold. */
import { html } from "../../vendor/htm-preact.js";
import { useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { bytes } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Former, Notice, Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { addressOf, input, ModelPage, State, Waits } from "./model.js";

const LOOK_EVERY_MS = 5000;

/** The page. */
export default function Page() {
  return may("read") ? html`<${Models} />` : html`<h1>${t.models.title}</h1><${Notice} title=${t.models.mayNot} />`;
}

function Models() {
  const { rest: [name], query } = useAddress();
  const { data, at, error, again } = useFetched((signal) => call("list_models", { signal }), []);
  useInterval(again, LOOK_EVERY_MS);
  const model = data?.models.find((one) => one.name === name);
  const shown = model
    ? html`<${ModelPage} key=${name} model=${model} named=${query.get("version") ?? undefined} again=${again} />`
    : html`<div class="row page-head"><h1>${name ? fill(t.models.noModel, { name }) : t.models.title}</h1>
        ${may("operate") && html`<a class="button" href="/console/learn">${t.models.learnNew}</a>`}</div>
        ${data?.source && html`<${Source} ...${data.source} />`}${data?.models.map(versions)}`;
  return html`<${Problem} error=${error} /><${Former} at=${at} />${(data || !name) && shown}`;
}

/** The URL that bundles come from: whether it can be read, and what of it is not taken. */
function Source({ url, away, refused }) {
  return html`<${Notice} tone=${away || refused.length ? "near" : "quiet"} title=${fill(t.models.from, { url })}>
    ${away && html`<p>${fill(t.models.away, { why: away })}</p>`}
    ${refused.map(({ name, reason }) => html`<p key=${name}>${fill(t.models.notTaken, { name, reason })}</p>`)}<//>`;
}

function versions({ name, active, versions, waits }) {
  const cells = (one) => [
    html`<a href=${addressOf(name, one.version)}>${one.version}</a>`,
    html`<${State} one=${one} active=${active} />`,
    one.family && `${one.family}, ${one.variant}`,
    input(one),
    one.engine,
    bytes(one.on_disk?.bytes),
  ];
  return html`<section class="card" key=${name}>
    <h2><a href=${addressOf(name)}>${name}</a></h2><${Waits} why=${waits} />
    <${Table} label=${fill(t.models.versionsOf, { name })} head=${t.models.columns} rows=${versions.map(cells)} />
  </section>`;
}

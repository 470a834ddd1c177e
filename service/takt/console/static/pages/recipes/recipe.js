/** A recipe: what each view is judged by, what it was before, and how it is saved again or removed. */
import { html, useState } from "../../vendor/htm-preact.js";
import { navigate } from "../../core/address.js";
import { call } from "../../core/api.js";
import { ms, score, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { Term } from "../../parts/term.js";
import { bodyAgain } from "./draft.js";
import { addressOf, cameraOf, changesOf, codesOf, differenceOf, pixelOf, shareOf, sourceOf } from "./said.js";

const SHOWN = 20;
const r = t.recipes;

/** One among all of them. */
export function Card({ recipe, again }) {
  return html`<article class="card recipe" aria-label=${recipe.name}>
    <div class="row"><h2><a href=${addressOf(recipe.name)}>${recipe.name}</a></h2>
      ${may("operate") && html`<a class="button" href=${`${addressOf(recipe.name)}?change=1`}
        aria-label=${fill(r.changeNamed, recipe)}>${r.change}</a>`}</div>
    <${Standing} recipe=${recipe} again=${again} /></article>`;
}

/** The page of one; `recipe` is null of one that is not there, or no longer. */
export function Recipe({ name, recipe, again }) {
  const [asked, ask] = useState(false);
  const remove = async (reason) => {
    await call("remove_recipe", { path: { recipe: name }, query: { reason, revision: recipe.revision } });
    navigate("/console/recipes");
  };
  const buttons = html`<div class="row"><a class="button primary" href=${`${addressOf(name)}?change=1`}>${r.change}</a>
    <button type="button" class="button" onClick=${() => ask(true)}>${r.remove}</button></div>`;
  return html`${recipe && html`<section class="card recipe" aria-label=${name}>
      <${Standing} recipe=${recipe} again=${again} />${may("operate") ? buttons : html`<p class="quiet">${r.lookOnly}</p>`}</section>`}
    <${History} key=${recipe?.revision} name=${name} />
    <${ReasonDialog} open=${asked} title=${fill(r.removeNamed, { name })} action=${r.remove} onConfirm=${remove}
      onClose=${() => (ask(false), again())}><p>${r.removeMeans}</p><//>`;
}

function Standing({ recipe, again }) {
  const { views, number, alpha, deadline_ms: deadline, revision } = recipe;
  const row = ({ name, model, version, thresholds, camera }) => [name,
    html`<a href=${`/console/models/${encodeURIComponent(model)}?version=${encodeURIComponent(version)}`}>${model} ${version}</a>`,
    score(thresholds.image), pixelOf(thresholds.pixel), html`<${Source} thresholds=${thresholds} recipe=${recipe} />`, cameraOf(camera)];
  const facts = [[r.fields.number, number], [html`<${Term} of="alpha" text=${r.fields.alpha} />`, shareOf(alpha)],
    [r.fields.deadline, ms(deadline)], [r.revision, revision], ...(recipe.codes.length > 0 ? [[r.fields.codes, codesOf(recipe)]] : [])];
  return html`<${Outdated} recipe=${recipe} again=${again} />
    <dl class="recipe-facts">${facts.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>
    <${Table} label=${r.views} head=${Object.values(r.columns)} rows=${views.map(row)} />
    <p class="quiet">${savedBy(recipe)}</p>`;
}

function Source({ thresholds, recipe }) {
  const differs = differenceOf(thresholds, recipe);
  return html`${sourceOf(thresholds)}${differs && html`<br /><small>${differs}</small>`}`;
}

/** Who saved a revision, when and why. */
export const savedBy = ({ changed_by: who, changed_at: at, reason }) =>
  fill(reason ? r.savedWhy : r.saved, { who, when: when(at), reason });

/** What is to be done where a model is another one by now: parts are refused until then. */
function Outdated({ recipe, again }) {
  const [asked, ask] = useState(false);
  if (recipe.outdated.length === 0) return null;
  const save = (reason) => call("save_recipe", { path: { recipe: recipe.name }, body: bodyAgain(recipe, reason) });
  return html`<${Notice} tone="near" title=${fill(r.outdated, { views: recipe.outdated.join(", ") })}><p>${r.outdatedDetail}</p>
      ${may("operate") && html`<button type="button" class="button" onClick=${() => ask(true)}>${r.saveAgain}</button>`}<//>
    <${ReasonDialog} open=${asked} title=${r.saveAgain} action=${r.saveAgain} onConfirm=${save}
      onClose=${() => (ask(false), again())}><p>${r.saveAgainMeans}</p><//>`;
}

/** The revisions, the latest first, each with what it changed. */
function History({ name }) {
  const [before, setBefore] = useState([]);
  const [from] = before.slice(-1);
  // One more than is shown tells whether there are earlier ones, and what the last one has changed.
  const { data, error } = useFetched(async (signal) => {
    const query = { before: from, limit: SHOWN + 1 };
    return (await call("list_recipe_revisions", { path: { recipe: name }, query, signal })).revisions;
  }, [name, from]);
  const rows = (data ?? []).slice(0, SHOWN);
  const known = error?.code !== "recipe_not_found" && (data || error);
  return html`${known && html`<section class="card"><h2>${r.history}</h2><${Problem} error=${error} />
    <ol class="revisions">${rows.map((one, index) => html`<li key=${one.revision}>
      <strong>${fill(r.revisionOf, one)}</strong> <span class="quiet">${savedBy(one)}</span>
      <ul>${told(data[index + 1]?.recipe ?? null, one.recipe).map((line) => html`<li>${line}</li>`)}</ul></li>`)}</ol>
    <div class="row">
      ${before.length > 0 && html`<button type="button" class="button" onClick=${() => setBefore(before.slice(0, -1))}>${r.later}</button>`}
      ${data?.length > SHOWN && html`<button type="button" class="button"
        onClick=${() => setBefore([...before, rows.at(-1).revision])}>${r.earlier}</button>`}</div></section>`}`;
}

function told(before, after) {
  const changes = changesOf(before, after);
  return changes.length > 0 ? changes : [r.nothing];
}

/** The form that makes or changes a recipe; what somebody else has saved meanwhile is never overwritten unseen. */
import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { navigate } from "../../core/address.js";
import { call } from "../../core/api.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { Problem } from "../../parts/notice.js";
import { bodyOf, checkOf, draftOf, fieldOf, newView, repeated } from "./draft.js";
import { Field, NAMED, View } from "./fields.js";
import { savedBy } from "./recipe.js";
import { addressOf, changesOf, differenceOf } from "./said.js";

const [MOST_VIEWS, STILL_MS] = [16, 300];
const r = t.recipes;

/** `recipe` is null for one that is to be new. */
export function Form({ models, recipe }) {
  const form = useRef(null);
  const [draft, setDraft] = useState(() => draftOf(recipe, models));
  const [seen, setSeen] = useState(recipe);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [meanwhile, setMeanwhile] = useState(null);
  const differs = useDifferences(draft);
  const set = (changes) => setDraft((before) => ({ ...before, ...changes }));
  const [refused, rest] = error?.field ? [error, null] : [null, error?.problem];
  const toRefused = () => form.current.querySelector("[aria-invalid=true]")?.focus();
  useEffect(toRefused, [error]);
  const begun = seen?.name === draft.name ? seen : null; // by another name it is another recipe

  const save = async (revision) => {
    setBusy(true);
    setError(null);
    try {
      await call("save_recipe", { path: { recipe: draft.name }, body: bodyOf({ ...draft, revision }) });
      navigate(addressOf(draft.name));
    } catch (problem) {
      if (problem.code === "recipe_changed") setMeanwhile(await thereNow(draft.name));
      else setError({ problem, field: fieldOf(problem, draft, await modelsNow(models)), text: problem.detail });
      setBusy(false);
    }
  };
  const send = (event) => {
    event.preventDefault();
    const clashes = [draft.views, ...draft.views.map(({ camera }) => camera)].flatMap(repeated);
    if (clashes.length === 0) save(begun?.revision ?? 0);
    else toRefused();
  };
  const takeOver = ({ recipe: now }) => (setDraft(draftOf(now, models)), setSeen(now), setMeanwhile(null));
  const setView = (key) => (changes) =>
    setDraft((before) => ({ ...before, views: before.views.map((one) => (one.key === key ? { ...one, ...changes } : one)) }));
  const leave = (key) => () => setDraft((before) => ({ ...before, views: before.views.filter((one) => one.key !== key) }));
  const field = (id, more) => html`<${Field} id=${id} label=${r.fields[id]} required value=${draft[id]} refused=${refused}
    onInput=${(value) => (id === "name" && setMeanwhile(null), set({ [id]: value }))} ...${more} />`;
  const twice = repeated(draft.views);
  return html`<form class="recipe-form" ref=${form} onSubmit=${send}>
    <section class="card"><div class="fields">
      ${!recipe && field("name", { ...NAMED, help: r.nameRule })}
      ${field("number", { type: "number", min: 1, max: 65535, step: 1, help: r.numberHelp })}
      ${field("alpha", { type: "number", min: 0.0001, max: 99.99, step: "any", help: r.alphaHelp, label: r.alphaPercent })}
      ${field("deadline_ms", { type: "number", min: 1, max: 3_600_000, step: "any", help: r.deadlineHelp })}
      ${field("codes", { help: r.codesHelp, children: (more) => html`<textarea rows="2" spellcheck=${false} ...${more} value=${draft.codes}
        onInput=${({ target }) => set({ codes: target.value })}></textarea>` })}
    </div></section>
    ${draft.views.map((view, at) => html`<section class="card" key=${view.key}><${View} ...${{ at, view, models, refused }} differs=${differs[at]}
      twice=${twice.includes(at)} change=${setView(view.key)} remove=${draft.views.length > 1 && leave(view.key)} /></section>`)}
    ${draft.views.length < MOST_VIEWS && html`<button type="button" class="button"
      onClick=${() => set({ views: [...draft.views, newView(models)] })}>${r.addView}</button>`}
    <section class="card"><${Problem} error=${rest} />
      ${meanwhile && html`<${Meanwhile} ...${{ meanwhile, begun, busy }} onTake=${() => takeOver(meanwhile)}
        onSave=${() => save(meanwhile.recipe?.revision ?? 0)} />`}
      ${field("reason", { required: false, maxlength: 200, label: t.reason })}
      <div class="row"><button class="button primary" disabled=${busy || meanwhile}>${r.save}</button>
        <a class="button" href=${recipe ? addressOf(recipe.name) : "/console/recipes"}>${r.cancel}</a></div>
    </section></form>`;
}

/** By how much each view would be judged otherwise than its model judges, as the server says once nobody types; none where it refuses. */
function useDifferences(draft) {
  const body = checkOf(draft);
  const { data, error } = useFetched(async (signal) => {
    await new Promise((resolve) => setTimeout(resolve, STILL_MS));
    signal.throwIfAborted();
    return (await call("save_recipe", { path: { recipe: "draft" }, query: { check: true }, body, signal })).recipe;
  }, [JSON.stringify(body)]);
  return error || !data ? [] : data.views.map(({ thresholds }) => differenceOf(thresholds, data));
}

/** What is there now in place of what somebody began with; null where it was removed. */
async function thereNow(name) {
  try {
    return await call("get_recipe", { path: { recipe: name } });
  } catch (problem) {
    return { recipe: null, problem: problem.code === "recipe_not_found" ? null : problem };
  }
}

/** The models as they are by now, or as they were where the server does not say. */
const modelsNow = (before) => call("list_models").then(({ models }) => models, () => before);

function Meanwhile({ meanwhile: { recipe, problem }, begun, busy, onTake, onSave }) {
  if (problem) return html`<${Problem} error=${problem} />`;
  const changes = recipe && begun ? changesOf(begun, recipe) : [];
  const title = !recipe ? r.goneMeanwhile : fill(begun ? r.changedMeanwhile : r.madeMeanwhile, recipe);
  return html`<div class="notice near" role="alert"><strong>${title}</strong>
    ${recipe && html`<p>${savedBy(recipe)}</p>`}
    ${changes.length > 0 && html`<ul>${changes.map((line) => html`<li>${line}</li>`)}</ul>`}
    <div class="row">${recipe && html`<button type="button" class="button" onClick=${onTake}>${r.beginAgain}</button>`}
      <button type="button" class="button" disabled=${busy} onClick=${onSave}>${recipe ? r.saveOver : r.saveAnew}</button></div></div>`;
}

/** The recipes: what parts are inspected by, and how another one is put in force at a station. */
import { html, useMemo, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";

const s = t.stations;
const useRecipes = (wants) => useFetched((signal) => call("list_recipes", { signal }), wants);
const byNumber = (recipes) => recipes.toSorted((one, other) => one.number - other.number);

/** The card of all recipes. */
export function Recipes() {
  const { data, error } = useRecipes([]);
  if (error?.code === "no_record") return html`<${Notice} title=${s.noRecord}><p>${s.noRecordDetail}</p><//>`;
  const views = (one) => one.views.map(({ name, model, version }) => fill(s.view, { name, model, version })).join("; ");
  const link = ({ name }) => html`<a href=${`/console/recipes/${encodeURIComponent(name)}`}>${name}</a>`;
  const row = (one) => [one.number, link(one), one.revision, views(one)];
  return html`<${Problem} error=${error} />
    ${data && html`<section class="card"><h2>${s.recipes}</h2>${data.recipes.length === 0
      ? html`<p>${s.noRecipes} <a href="/console/recipes">${t.recipes.title}</a>.</p>`
      : html`<${Table} label=${s.recipes} head=${s.recipeColumns} rows=${byNumber(data.recipes).map(row)} />`}</section>`}`;
}

/** Asks which recipe, and why. */
export function ChangeRecipe({ open, station: { name, recipe }, onClose }) {
  const { data, error } = useRecipes([open]);
  const [number, setNumber] = useState(null);
  const recipes = byNumber(data?.recipes ?? []);
  // As it was when the recipes came: what a PLC puts in force meanwhile leaves the choice that somebody sees.
  const first = useMemo(() => (recipes.find((one) => one.number !== recipe.number) ?? recipes[0])?.number, [data]);
  const chosen = number ?? first;
  const change = (reason) => call("change_station_recipe", { path: { station: name }, body: { number: chosen, reason } });
  const close = () => (setNumber(null), onClose());
  return html`<${ReasonDialog} open=${open} title=${fill(s.changeAt, { name })} action=${s.put} onConfirm=${change} onClose=${close}>
    <${Problem} error=${error} />
    <p>${s.changeDetail}</p>
    <label>${s.recipe}<select required onChange=${({ target }) => setNumber(Number(target.value))}>${recipes.map((one) => html`
      <option value=${one.number} selected=${one.number === chosen}>${fill(s.recipeNamed, one)}</option>`)}</select></label><//>`;
}

/** The page Recipes: what parts of several views are inspected by; one of them, its history, or the form for one. */
import { html } from "../../vendor/htm-preact.js";
import { useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Form } from "./form.js";
import { Card, Recipe } from "./recipe.js";

const r = t.recipes;

/** The page. */
export default function Page() {
  const { rest: [name], query } = useAddress();
  if (!may("read")) return html`<h1>${r.title}</h1><${Notice} title=${r.mayNot} />`;
  const changing = query.has("change") && may("operate");
  if (!name) return changing ? html`<${New} />` : html`<${All} />`;
  return html`<${One} key=${name + changing} name=${name} changing=${changing} />`;
}

const without = (error) => error?.code === "no_record" && html`<${Notice} title=${r.noRecord}><p>${r.noRecordDetail}</p><//>`;
const spoken = (error) => (["no_record", "recipe_not_found"].includes(error?.code) ? null : error);

function All() {
  const { data, error, again } = useFetched((signal) => call("list_recipes", { signal }), []);
  const recipes = data?.recipes.toSorted((one, other) => one.number - other.number);
  return html`<div class="row page-head"><h1>${r.title}</h1>
      ${may("operate") && html`<a class="button primary" href="/console/recipes?change=1">${r.add}</a>`}</div>
    ${!may("operate") && html`<p class="quiet">${r.lookOnly}</p>`}
    ${without(error)}<${Problem} error=${spoken(error)} />
    ${recipes?.length === 0 && html`<${Notice} title=${r.none}><p>${r.noneDetail}</p><//>`}
    <div class="recipes">${recipes?.map((one) => html`<${Card} key=${one.name} recipe=${one} again=${again} />`)}</div>`;
}

function One({ name, changing }) {
  const { data, error, again } = useFetched((signal) => call("get_recipe", { path: { recipe: name }, signal }), [name]);
  const gone = error?.code === "recipe_not_found";
  const found = !gone && data?.recipe;
  return html`<div class="row page-head"><h1>${fill(changing ? r.changeHeading : r.heading, { name })}</h1>
      <a class="button" href="/console/recipes">${r.all}</a></div>
    ${without(error)}<${Problem} error=${spoken(error)} />
    ${gone && html`<${Notice} title=${fill(r.noRecipe, { name })} />`}
    ${found && changing && html`<${Filled} recipe=${found} />`}
    ${(found || gone) && !changing && html`<${Recipe} name=${name} recipe=${found || null} again=${again} />`}`;
}

const New = () => html`<div class="row page-head"><h1>${r.addHeading}</h1>
  <a class="button" href="/console/recipes">${r.all}</a></div><${Filled} recipe=${null} />`;

/** The form, once it is known which models there are to choose from. */
function Filled({ recipe }) {
  const { data, error } = useFetched((signal) => call("list_models", { signal }), []);
  if (data?.models.length === 0) return html`<${Notice} title=${t.first.title} />`;
  return html`<${Problem} error=${data ? null : error} />${data && html`<${Form} models=${data.models} recipe=${recipe} />`}`;
}

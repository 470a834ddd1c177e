/** What is to be learned: a model by its name, and of which family. */
import { html, useState } from "../../vendor/htm-preact.js";
import { useAddress } from "../../core/address.js";
import { call } from "../../core/api.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { Notice, Problem } from "../../parts/notice.js";

/** The families that can be learned, the usual one first: `{ name, about, is_trained }` each. */
const FAMILIES = await (await fetch("/console/families.json")).json();

/** The form; the server says what stands against learning before anybody sends a picture. */
export function Wish({ data: { obstacles, signing }, again }) {
  const { query } = useAddress();
  const [name, setName] = useState(query.get("model") ?? "");
  const [update, setUpdate] = useState(true);
  const [family, setFamily] = useState(FAMILIES[0]);
  const [error, setError] = useState(null);
  const { data: served } = useFetched((signal) => call("list_models", { signal }), []);
  const model = served?.models.find((one) => one.name === name);
  const adds = Boolean(model) && update;
  const send = (event) => {
    event.preventDefault();
    const { alpha, minutes, size } = Object.fromEntries(new FormData(event.target));
    const anew = { family: family.name, size: size || null, minutes: Number(minutes) || null };
    const body = { model: name, alpha: Number(alpha) / 100 || null, ...(adds ? { update: true } : anew) };
    call("create_learning", { body }).then(again, setError);
  };
  if (obstacles.length > 0) {
    return obstacles.map(({ code, detail }) => html`<${Notice} tone="near" title=${t.learn.obstacles[code]}><p>${detail}</p><//>`);
  }
  const choices = (legend, group, now, set, texts) => html`<fieldset><legend>${legend}</legend>
    ${texts.map(([value, text]) => html`<label class="beside">
      <input type="radio" name=${group} checked=${value === now} onChange=${() => set(value)} /><span>${text}</span></label>`)}
  </fieldset>`;
  const field = (id, input) => html`<label>${t.learn.fields[id]}<input name=${id} autocomplete="off" ...${input} /></label>`;
  return html`<form class="card learn" onSubmit=${send}>
    <p>${t.learn.about}</p>
    ${field("model", { list: "learn-models", required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*",
      title: t.learn.nameRule, value: name, onInput: (event) => setName(event.target.value) })}
    <datalist id="learn-models">${served?.models.map((one) => html`<option value=${one.name} />`)}</datalist>
    ${model && choices(t.learn.how, "how", update, setUpdate,
      [[true, fill(t.learn.update, { version: model.active || model.versions.at(-1).version })], [false, t.learn.anew]])}
    ${!adds && choices(t.learn.family, "family", family, setFamily, FAMILIES.map((one) => [one, one.about]))}
    <details><summary>${t.learn.more}</summary>
      ${field("alpha", { type: "number", min: 0.1, max: 50, step: 0.1 })}
      ${!adds && field("size", { pattern: "auto|[0-9]+(x[0-9]+)?" })}
      ${!adds && family.is_trained && field("minutes", { type: "number", min: 1, max: 1440, placeholder: "20" })}
    </details>
    ${signing && html`<${Notice} tone="near" title=${t.learn.signing}><p>${signing}</p><//>`}
    <${Problem} error=${error} />
    <button class="button primary">${t.learn.begin}</button>
  </form>`;
}

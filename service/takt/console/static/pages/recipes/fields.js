/** Fields of the form of a recipe, each with what the server says against it; and those of one view. */
import { html } from "../../vendor/htm-preact.js";
import { fill, t } from "../../core/strings.js";
import { isReady, newSetting, repeated, usualOf } from "./draft.js";

const KINDS = ["number", "text", "truth"];
const NAME = "[A-Za-z0-9][A-Za-z0-9._\\-]*";
const r = t.recipes;

/** What holds for the names of recipes, views and settings. */
export const NAMED = { pattern: NAME, maxlength: 64, required: true, title: r.nameRule, spellcheck: false };

/** A labelled input; `refused` is `{ field, text }`, and `help` says more. */
export function Field({ id, label, refused, help, onInput, children, ...input }) {
  const bad = refused?.field === id;
  const told = bad ? `${id}-refused` : help ? `${id}-help` : null;
  const more = { name: id, "aria-invalid": bad ? "true" : null, "aria-describedby": told };
  return html`<div class="field"><label>${label}
      ${children ? children(more)
        : html`<input autocomplete="off" ...${input} ...${more} onInput=${({ target }) => onInput(target.value)} />`}</label>
    ${help && !bad && html`<small id=${`${id}-help`}>${help}</small>`}
    ${bad && html`<${Refused} id=${id} text=${refused.text} />`}</div>`;
}

const Refused = ({ id, text }) => html`<p class="refused" role="alert" id=${`${id}-refused`}>${text}</p>`;

/**
 * A view; `change(changes)` takes what is new of it, `remove` is missing where it is the only one. `differs` says how it would be judged
 * otherwise than its model judges.
 */
export function View({ at, view, twice, models, refused, differs, change, remove }) {
  const id = (part) => `views.${at}.${part}`;
  const set = (part) => (value) => change({ [part]: value });
  const versions = models.find(({ name }) => name === view.model)?.versions ?? [];
  const setModel = (name) => change({ model: name, version: usualOf(models.find((one) => one.name === name)) });
  const refusedAt = (part) => (refused?.field === id(part) ? refused : null);
  const clash = twice ? { field: id("name"), text: r.twice } : refusedAt("name");
  return html`<fieldset class="view"><legend>${view.name ? fill(r.viewNamed, view) : fill(r.viewNumber, { number: at + 1 })}</legend>
    <div class="fields">
      <${Field} id=${id("name")} label=${r.fields.view} ...${NAMED} value=${view.name} refused=${clash} onInput=${set("name")} />
      <${Chosen} id=${id("model")} label=${r.fields.model} refused=${refused} value=${view.model} onChange=${setModel}
        choices=${namesOf(models.map(({ name }) => [name, name]), view.model)} />
      <${Chosen} id=${id("version")} label=${r.fields.version} refused=${refused} value=${view.version} onChange=${set("version")}
        choices=${namesOf(versions.map(({ version }) => [version, versionNamed(models, view.model, version)]), view.version)} />
    </div>
    <label class="beside"><input type="checkbox" name=${id("thresholds")} checked=${view.byHand}
      aria-invalid=${refusedAt("thresholds") ? "true" : null}
      aria-describedby=${refusedAt("thresholds") ? `${id("thresholds")}-refused` : null}
      onChange=${({ target }) => change({ byHand: target.checked })} />${r.setByHand}</label>
    ${refusedAt("thresholds") && html`<${Refused} id=${id("thresholds")} text=${refused.text} />`}
    ${view.byHand ? html`<div class="fields">
      <${Field} id=${id("image")} label=${r.columns.image} type="number" step="any" required value=${view.image} onInput=${set("image")} />
      <${Field} id=${id("pixel")} label=${r.columns.pixel} type="number" step="any" value=${view.pixel} help=${r.pixelHelp}
        onInput=${set("pixel")} /></div><p class="quiet">${r.handMeans}</p>` : html`<p class="quiet">${r.calibrationMeans}</p>`}
    <p class="quiet" aria-live="polite">${differs && fill(r.differsHere, { differs })}</p>
    <${Camera} id=${id("camera")} settings=${view.camera} refused=${refusedAt("camera")} onChange=${set("camera")} />
    ${remove && html`<button type="button" class="button" onClick=${remove}>${fill(r.removeView, { name: view.name || at + 1 })}</button>`}
  </fieldset>`;
}

/** Choices with the one that holds, whether the server has it or not. */
function namesOf(choices, now) {
  return !now || choices.some(([value]) => value === now) ? choices : [...choices, [now, fill(r.notHere, { name: now })]];
}

function versionNamed(models, model, version) {
  const active = models.find(({ name }) => name === model).active === version;
  return isReady(models, model, version) ? (active ? fill(r.activeVersion, { version }) : version) : fill(r.notReady, { version });
}

function Chosen({ choices, value, onChange, ...field }) {
  return html`<${Field} ...${field}>${(more) => html`<select required ...${more} onChange=${({ target }) => onChange(target.value)}>
    ${choices.map(([one, text]) => html`<option value=${one} selected=${one === value}>${text}</option>`)}</select>`}<//>`;
}

/** The settings of a view's camera, a row each. */
function Camera({ id, settings, refused, onChange }) {
  const change = (key, changes) => onChange(settings.map((one) => (one.key === key ? { ...one, ...changes } : one)));
  const setKind = (key) => ({ target: { value: kind } }) => change(key, { kind, value: kind === "truth" ? "true" : "" });
  const twice = repeated(settings);
  const value = ({ key, kind, value: now, name }) => {
    const label = fill(r.valueOf, { name });
    const set = ({ target }) => change(key, { value: target.value });
    return kind === "truth" ? html`<select aria-label=${label} onChange=${set}>${["true", "false"].map((one) => html`
        <option value=${one} selected=${one === now}>${r.truths[one]}</option>`)}</select>`
      : html`<input aria-label=${label} type=${kind} step="any" maxlength="256" required=${kind === "number"}
          value=${now} onInput=${set} />`;
  };
  return html`<div class="camera" role="group" aria-label=${r.columns.camera}><span class="quiet">${r.columns.camera}</span>
    ${settings.map((one, index) => html`<div class="row" key=${one.key}>
      <input aria-label=${r.settingName} aria-invalid=${twice.includes(index) ? "true" : null} ...${NAMED}
        placeholder=${r.settingExample} value=${one.name} onInput=${({ target }) => change(one.key, { name: target.value })} />
      <select aria-label=${fill(r.kindOf, one)} onChange=${setKind(one.key)}>${KINDS.map((kind) => html`
        <option value=${kind} selected=${kind === one.kind}>${r.kinds[kind]}</option>`)}</select>
      ${value(one)}
      <button type="button" class="button plain" aria-label=${fill(r.removeSetting, one)}
        onClick=${() => onChange(settings.filter(({ key }) => key !== one.key))}>✕</button>
      ${twice.includes(index) && html`<p class="refused" role="alert">${r.settingTwice}</p>`}</div>`)}
    ${refused && html`<${Refused} id=${id} text=${refused.text} />`}
    <button type="button" class="button" onClick=${() => onChange([...settings, newSetting()])}>${r.addSetting}</button></div>`;
}

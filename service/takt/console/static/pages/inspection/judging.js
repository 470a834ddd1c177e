/** What people say of an inspection: all of it, and a way to say more. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { when } from "../../core/format.js";
import { useKeys } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { placeOf } from "../../parts/judging/in_place.js";
import { Kinds, rememberKind } from "../../parts/judging/kinds.js";
import { bodyOf, useReviewer } from "../../parts/judging/said.js";
import { Problem } from "../../parts/notice.js";

const { inspection: words } = t;

/** Judgements of an inspection, oldest first; `again` reads it anew, and `marking` has what saves a box that is drawn. */
export function Judging({ row: { id, judgement, picture, pinned }, history: { said, standing, seen }, marking, again }) {
  const [text, setText] = useState({ kind: "", note: "" });
  const [error, setError] = useState(null);
  const ask = (operation, options) => call(operation, options).then(() => (setError(null), again()), setError);
  const reviewer = useReviewer();
  const judge = (word) => {
    if (word === "defect" && marking.current) return marking.current();
    if (word === "defect") rememberKind(text.kind);
    return ask("judge_inspections", { body: { ids: [id], reviewer, ...bodyOf({ ...text, judgement: word }) } });
  };
  const allowed = may("review");
  useKeys(allowed ? { d: () => judge("defect"), g: () => judge("good"), u: () => judge("unsure") } : {});
  const button = (label, press, pressed) =>
    html`<button type="button" class="button" aria-pressed=${pressed} onClick=${press}>${label}</button>`;
  const field = (name, most, more) => html`<label>${words[name]}<input value=${text[name]} maxlength=${most} ...${more}
    onInput=${({ target }) => setText({ ...text, [name]: target.value })} /></label>`;
  return html`<section class="card"><h2>${words.judgements}</h2>
    <ul aria-live="polite">${said.map((one) => html`<li>${when(one.at)}, ${one.reviewer}: <strong>${words.words[one.judgement]}</strong>
      ${[one.kind, one.box && fill(t.judging.boxAt, placeOf(one.box)), one.note].filter(Boolean).map((more) => html`, ${more}`)}</li>`)}
      ${!said.length && html`<li>${words.nobody}</li>`}</ul>
    ${seen.length > 0 && html`<p class="quiet">${fill(words.seen, { who: seen.map(({ reviewer }) => reviewer).join(", ") })}</p>`}
    ${allowed && html`<div class="row">${field("kind", 64, { list: "kinds", autocomplete: "off" })}<${Kinds} id="kinds" />${field("note", 500)}</div>
      <div class="row">
        ${["defect", "good", "unsure"].map((word) => button(`${words.words[word]} (${word[0]})`, () => judge(word), judgement === word))}
        ${standing.length > 0 && button(words.withdraw, () => ask("withdraw_judgements", { body: { ids: [id], reviewer } }))}
        ${picture && button(words.pin, () => ask(pinned ? "unpin_picture" : "pin_picture", { path: { id } }), pinned)}
      </div>`}
    <${Problem} error=${error} /></section>`;
}

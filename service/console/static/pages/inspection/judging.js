/** What people say of an inspection: all of it, and a way to say more. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { when } from "../../core/format.js";
import { useKeys } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Problem } from "../../parts/notice.js";

const { inspection: words } = t;

/** Judgements of an inspection, oldest first; `again` reads it anew. */
export function Judging({ row: { id, judgement, picture, pinned }, history: { said, standing, seen }, again }) {
  const [text, setText] = useState({ kind: "", note: "" });
  const [error, setError] = useState(null);
  const ask = (operation, options) => call(operation, options).then(() => (setError(null), again()), setError);
  const judge = (word) => ask("judge_inspections", { body: { ids: [id], judgement: word,
    kind: (word === "defect" && text.kind) || undefined, note: text.note || undefined } });
  const allowed = may("review");
  useKeys(allowed ? { d: () => judge("defect"), g: () => judge("good"), u: () => judge("unsure") } : {});
  const button = (label, press, pressed) =>
    html`<button type="button" class="button" aria-pressed=${pressed} onClick=${press}>${label}</button>`;
  const field = (name, most) => html`<label>${words[name]}<input value=${text[name]} maxlength=${most}
    onInput=${({ target }) => setText({ ...text, [name]: target.value })} /></label>`;
  return html`<section class="card"><h2>${words.judgements}</h2>
    <ul aria-live="polite">${said.map((one) => html`<li>${when(one.at)}, ${one.reviewer}: <strong>${words.words[one.judgement]}</strong>
      ${[one.kind, one.note].filter(Boolean).map((more) => html`, ${more}`)}</li>`)}
      ${!said.length && html`<li>${words.nobody}</li>`}</ul>
    ${seen.length > 0 && html`<p class="quiet">${fill(words.seen, { who: seen.map(({ reviewer }) => reviewer).join(", ") })}</p>`}
    ${allowed && html`<div class="row">${field("kind", 64)}${field("note", 1000)}</div>
      <div class="row">
        ${["defect", "good", "unsure"].map((word) => button(`${words.words[word]} (${word[0]})`, () => judge(word), judgement === word))}
        ${standing.length > 0 && button(words.withdraw, () => ask("withdraw_judgements", { body: { ids: [id] } }))}
        ${picture && button(words.pin, () => ask(pinned ? "unpin_picture" : "pin_picture", { path: { id } }), pinned)}
      </div>`}
    <${Problem} error=${error} /></section>`;
}

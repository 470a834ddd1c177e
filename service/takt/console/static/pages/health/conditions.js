/** The conditions that hold, each with what to do about it. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { useOnline } from "../../core/connection.js";
import { when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { fill, t } from "../../core/strings.js";
import { markdown } from "../../parts/markdown.js";
import { Problem } from "../../parts/notice.js";

const SHAPES = {
  unknown: ["quiet", "M12 2a10 10 0 1 0 .1 0z", "M9 9a3 3 0 1 1 3 4v2M12 17v2"],
  unready: ["near", "M12 2a10 10 0 1 0 .1 0z", "M7 12h10"],
  well: ["good", "M12 2a10 10 0 1 0 .1 0z", "M7 12l4 4 7-8"],
  pending: ["good", "M12 2a10 10 0 1 0 .1 0zm0 4a6 6 0 1 1-.1 0z", ""],
  note: ["quiet", "M12 2a10 10 0 1 0 .1 0z", "M12 7v1M12 11v6"],
  warning: ["near", "M12 1L23 22H1z", "M12 8v7M12 17v3"],
  critical: ["defect", "M7 1h10l6 6v10l-6 6H7l-6-6V7z", "M12 5v9M12 16v4"],
};

const WATCHED = ["TaktCameraChanged", "TaktMoreDefects", "TaktPromiseBroken", "TaktModelNotWatched"];

/** All conditions, the gravest first; or that all is well but for notes, which nobody knows of a server that does not answer. */
export function Conditions({ found, models, at }) {
  const online = useOnline();
  const unanswered = models.length === 0 ? [null] : models.filter(({ version }) => version === null);
  const key = (one) => [one.name, ...Object.values(one.labels)].join(" ");
  return html`<section aria-label=${t.health.conditions} aria-live="polite">
    ${!online && html`<${State} kind="unknown"><p>${fill(t.problem.former, { at: when(at) })}</p><//>`}
    ${unanswered.map((model) => html`<${Unanswered} key=${model?.model} model=${model} />`)}
    ${online && unanswered.length === 0 && found.every(({ note }) => note) && html`<${State} kind="well" />`}
    ${found.map((one) => html`<${Condition} key=${key(one)} one=${one} />`)}
  </section>`;
}

/** A model without a version that answers, which no condition tells of while another one answers; null for a server without any model. */
function Unanswered({ model }) {
  const name = model?.model;
  return html`<${State} kind="unready" name=${t.health.kinds.unready}>
    <p>${name ? fill(t.health.noVersion, { model: name }) : t.health.noModel}</p>
    <a href=${name ? `/console/models/${encodeURIComponent(name)}` : "/console/models"}>${name ?? t.models.title}</a>
  <//>`;
}

function State({ kind, name, children }) {
  const [tone, shape, mark] = SHAPES[kind];
  return html`<article class="card state-of" aria-label=${name}>
    <svg viewBox="0 0 24 24" style=${{ fill: `var(--${tone})` }} aria-hidden="true"><path d=${shape} /><path class="mark" d=${mark} /></svg>
    <strong>${t.health.kinds[kind]}</strong>${children}
  </article>`;
}

function Condition({ one }) {
  const [open, setOpen] = useState(false);
  const since = fill(one.firing ? t.health.since : t.health.pendingSince, { since: when(one.since), minutes: one.for_s / 60 });
  return html`<${State} kind=${one.note ? "note" : one.firing ? one.severity : "pending"} name=${one.name}>
    <p>${one.text}</p><small>${since}</small>
    ${one.labels.model && html`<a href=${`/console/models/${encodeURIComponent(one.labels.model)}`}>${one.labels.model}</a>`}
    ${WATCHED.includes(one.name) && html`<a href="/console/watch">${t.watch.look}</a>`}
    <details onToggle=${(event) => setOpen(event.target.open)}>
      <summary>${fill(t.health.whatToDo, { name: one.name })}</summary>${open && html`<${Help} name=${one.name} />`}
    </details>
  <//>`;
}

function Help({ name }) {
  const { data, error } = useFetched((signal) => call("explain_condition", { path: { condition: name }, signal }), [name]);
  return html`<${Problem} error=${error} />
    ${data?.sections.map(({ title, text }) => html`<h3>${title}</h3>${markdown(text)}`)}
    ${data && html`<small>${fill(t.health.from, { page: `${data.page}#${data.sections[0].anchor}` })}</small>`}`;
}

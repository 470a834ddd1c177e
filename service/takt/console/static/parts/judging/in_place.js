/** A verdict is judged where it is seen: by one click, and for a defect perhaps with a box and a kind. */
import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { useKeys } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Problem } from "../notice.js";
import { fitted, middleOf } from "../picture_box.js";
import { Kinds } from "./kinds.js";

const LIST = "kinds-named";
const PLACES = ["x", "y", "width", "height"];
const j = t.judging;

/**
 * What judges an answer, for a page to place: `{ buttons, form }`, of which `form` is there while somebody marks a defect.
 *
 * `anomalous` is the verdict, `judgement` what stands of it, `said` what was said here (`useSaid`), `view` and `size` those of the
 * panes in which a box is drawn; without `drawable` there is none, and nothing at all while it is `off`. `marking`, a ref, has
 * what saves the box while one is drawn; `kinds` are those that others named, and `back` gives the keyboard back.
 */
export function useInPlace({ anomalous, judgement, said, view, size, drawable = true, off = false, marking, kinds, back }) {
  const { drawing, box } = view.use();
  const [kind, setKind] = useState("");
  const [group, shown, begun] = [useRef(null), useRef(null), useRef(false)];
  const { given, busy, waits, error, say, undo } = said;
  const wrong = anomalous ? "good" : "defect";
  const stop = () => (view.change({ drawing: false, box: null }), setKind(""));
  const save = () => (say({ judgement: "defect", kind, box }), stop());
  const start = (now) => view.change({ drawing: true, ...(now && !box && { box: middleOf(view, size) }) });
  if (marking) marking.current = drawing ? save : null;
  useEffect(() => () => marking && (marking.current = null), []);
  const first = () => group.current?.querySelector("button:enabled")?.focus();
  useEffect(() => {
    if (drawing) {
      document.querySelector(".picture canvas")?.focus();
      shown.current?.scrollIntoView({ block: "nearest" });
    } else if (begun.current && document.activeElement === document.body) (back ?? first)(); // what had the keyboard is gone
    begun.current = true;
  }, [drawing, busy]);
  const wrongly = () => given || judgement === wrong || say({ judgement: wrong });
  const mark = drawable ? { b: () => start(true) } : {};
  useKeys(off || busy || !may("review") ? {} : drawing ? { ...mark, Escape: stop } : { ...mark, w: wrongly });
  if (off) return {};
  if (!may("review")) return { buttons: html`<p class="quiet">${t.review.lookOnly}</p>` };
  const button = (text, does, more) => html`<button type="button" class="button" disabled=${busy} onClick=${does} ...${more}>${text}</button>`;
  const stands = given ? j.given[given.judgement] : judgement === wrong && j.already[judgement];
  const buttons = html`<div class="row in-place" ref=${group} role="group" aria-label=${j.label}>
      ${stands ? html`<strong>${stands}</strong>` : button(j.wrong[wrong], wrongly)}
      ${undo && button(j.undo, undo)}
      ${drawable && button(j.mark, () => (drawing ? stop() : start(false)), { "aria-pressed": drawing })}
      <span class="quiet" role="status">${busy ? (waits ? j.waits : j.sending) : given?.picture === false && j.notKept}</span>
    </div>
    <${Problem} error=${error} />`;
  const form = drawing && html`<${Marking} ...${{ view, size, box, kind, setKind, save, stop, kinds, start, shown }} />`;
  return { buttons, form };
}

/** What goes with a defect: a box and a kind, both as somebody likes. */
function Marking({ view, size, box, kind, setKind, save, stop, kinds, start, shown }) {
  const place = (index, value) => view.change({ box: fitted(box.map((one, at) => (at === index ? value : one)), size) });
  const send = (event) => (event.preventDefault(), save());
  const button = (text, does, more) => html`<button type="button" class="button" onClick=${does} ...${more}>${text}</button>`;
  return html`<form class="card marking" ref=${shown} aria-label=${j.marking} onSubmit=${send}>
    <p>${j.how} <span class="quiet">${j.howKeys}</span></p>
    <div class="row">
      <div class="row marking-box" role="group" aria-label=${j.box}>
        ${PLACES.map((name, index) => html`<label>${j.places[name]}<input type="number" min=${index > 1 ? 1 : 0}
          value=${box?.[index] ?? ""} disabled=${!box} onChange=${({ target }) => place(index, Number(target.value))} /></label>`)}
        ${box ? button(j.remove, () => view.change({ box: null })) : button(j.middle, () => start(true))}
      </div>
      <label class="marking-kind">${j.kind}<input value=${kind} maxlength="64" list=${LIST} autocomplete="off"
        onInput=${({ target }) => setKind(target.value)} /></label>
      <${Kinds} id=${LIST} others=${kinds} />
      <button class="button primary">${j.save}</button> ${button(j.cancel, stop)}
    </div>
    <p class="unseen" aria-live="polite">${box ? fill(j.boxNow, placeOf(box)) : j.noBox}</p>
  </form>`;
}

/** Where a box is, for texts. */
export const placeOf = ([x, y, width, height]) => ({ x, y, width, height });

/** The boxes of what stands, as panes want them. */
export const marksOf = (standing = []) => standing.filter(({ box }) => box);

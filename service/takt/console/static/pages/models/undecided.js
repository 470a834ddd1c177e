/** Whether a picture that cannot be judged gets no decision: the switch of a version. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { may } from "../../core/session.js";
import { t } from "../../core/strings.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Term } from "../../parts/term.js";

const u = t.undecided;

/** The switch; `after` is told of a change. `undecided` is null of a version that does not know its good pictures. */
export function Undecided({ path, version: { thresholds: { undecided } }, after }) {
  const [asked, ask] = useState(null); // what is to hold, whatever somebody else switches meanwhile
  const named = (on) => (on ? u.on : u.off);
  const confirm = async (reason) => after(await call("set_threshold_of_version", { path, body: { undecided: asked, reason } }));
  return html`<section class="card">
    <h2><${Term} of="undecided" text=${u.title} /></h2>
    <p>${undecided === null ? u.unknown : undecided ? u.isOn : u.isOff}</p>
    ${undecided !== null && may("operate") && html`<div class="row">
      <button type="button" class="button" onClick=${() => ask(!undecided)}>${named(!undecided)}</button></div>`}
    <${ReasonDialog} open=${asked !== null} title=${named(asked)} action=${named(asked)} onConfirm=${confirm} onClose=${() => ask(null)}>
      <p>${asked ? u.onMeans : u.offMeans}</p><//>
  </section>`;
}

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
  const [open, setOpen] = useState(false);
  const action = undecided ? u.off : u.on;
  const confirm = async (reason) => after(await call("set_threshold_of_version", { path, body: { undecided: !undecided, reason } }));
  return html`<section class="card">
    <h2><${Term} of="undecided" text=${u.title} /></h2>
    <p>${undecided === null ? u.unknown : undecided ? u.isOn : u.isOff}</p>
    ${undecided !== null && may("operate") && html`<div class="row">
      <button type="button" class="button" onClick=${() => setOpen(true)}>${action}</button></div>`}
    <${ReasonDialog} ...${{ open, action, title: action }} onConfirm=${confirm} onClose=${() => setOpen(false)}>
      <p>${undecided ? u.offMeans : u.onMeans}</p><//>
  </section>`;
}
